"""The playbook that keeps a Container Registry credential of AWX fresh, against the shape of AWX' API.

AWX cannot run here (see tests/support/awx/controller.py). The token is a real one: the test registry takes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.awx.controller import Controller
from tests.support.cluster.pki import CertificateAuthority
from tests.support.cluster.tls_front import TLSFront
from tests.support.harness.ansible import Ansible, Run

TOKEN, USER, PASSWORD = "canary-oauth-token", "canary-user", "canary-user-password"
PLAYBOOK = "kube_ecr.secrets.awx_registry_credential"
WRITE = "Ask AWX"


@pytest.fixture
def awx() -> Iterator[Controller]:
    with Controller(TOKEN, (USER, PASSWORD)) as controller:
        yield controller


class Keeper:
    """Runs the playbook for a principal, and looks in all that is shown and written for what is secret."""

    def __init__(self, commands: Ansible, aws: AWSEndpoint, awx: Controller, principal: Principal) -> None:
        self.commands, self.aws, self.awx, self.principal = commands, aws, awx, principal
        self.registry = principal.registry("eu-west-1")

    def run(self, *args: str, env: dict[str, str] | None = None, **variables: object) -> Run:
        given = {
            "awx_registry_credential_registry": self.registry,
            "awx_registry_credential_endpoint_url": self.aws.url,
        }
        given |= {f"awx_registry_credential_{name}": value for name, value in variables.items()}
        environment = {
            "AWS_ACCESS_KEY_ID": self.principal.access_key,
            "AWS_SECRET_ACCESS_KEY": self.principal.secret_key,
            "CONTROLLER_HOST": self.awx.url,
            "CONTROLLER_OAUTH_TOKEN": TOKEN,
            # Newer versions show the options of a module at -vvv only with it.
            "ANSIBLE_INJECT_INVOCATION": "true",
            **(env or {}),
        }
        self.awx.requests.clear()
        run = self.commands.run(
            "ansible-playbook", PLAYBOOK, "-vvv", "--diff", "-e", json.dumps(given), *args, **environment
        )
        shown = run.output + json.dumps(run.results)
        secrets = [each["inputs"].get("password") for each in self.awx.credentials]
        for secret in (TOKEN, PASSWORD, self.principal.secret_key, *filter(None, secrets)):
            assert secret not in shown
        # Options that are put on the disk for a module would be copied so.
        assert "PUT /" not in run.output
        return run

    def writes(self) -> list[tuple[str, str]]:
        return [each for each in self.awx.requests if each[0] != "GET"]


@pytest.fixture
def keeper(ansible: Ansible, aws: AWSEndpoint, awx: Controller, principal: Principal) -> Keeper:
    return Keeper(ansible, aws, awx, principal)


def changed(run: Run) -> bool:
    return any(each["result"].get("changed") for each in run.results)


def reason(run: Run) -> str:
    assert run.status != 0
    return str(run.results[-1]["result"]["msg"])


@pytest.mark.slow
@pytest.mark.versions
@pytest.mark.parametrize("is_oldest", [False, True], ids=["newest", "oldest"])
def test_a_credential_is_made_and_renewed_when_a_quarter_of_its_life_is_over(
    keeper: Keeper, aws: AWSEndpoint, is_oldest: bool
) -> None:
    keeper.commands = keeper.commands.oldest() if is_oldest else keeper.commands
    run = keeper.run("--check")
    assert run.status == 0, run.output
    assert changed(run)
    assert keeper.awx.credentials == []

    assert keeper.run(organization="Team & Söhne", name="ECR / Ünits").status == 0
    (made,) = keeper.awx.credentials
    inputs = made["inputs"]
    assert aws.verify(inputs["host"], inputs["username"], inputs["password"])
    assert (inputs["host"], inputs["verify_ssl"], made["organization"]) == (keeper.registry, True, 2)
    keeper.awx.credentials.clear()

    aws.forget_calls()
    first = keeper.run(env={"CONTROLLER_OAUTH_TOKEN": "", "TOWER_USERNAME": USER, "TOWER_PASSWORD": PASSWORD})
    assert first.status == 0, first.output
    assert changed(first)
    (made,) = keeper.awx.credentials
    password = made["inputs"]["password"]
    again = keeper.run()
    assert (again.status, changed(again), keeper.writes(), aws.count("GetAuthorizationToken")) == (0, False, [], 1)

    until = datetime.now(UTC) + timedelta(hours=8, minutes=59)
    made["description"] = f"Ours; token valid until {until:%Y-%m-%dT%H:%M:%SZ}"
    late = keeper.run()
    assert (changed(late), keeper.writes()) == (True, [("PATCH", f"/api/v2/credentials/{made['id']}/")])
    assert made["inputs"]["password"] != password
    assert aws.verify(keeper.registry, "AWS", made["inputs"]["password"])
    assert changed(keeper.run(verify_ssl=False))
    assert made["inputs"]["verify_ssl"] is False


@pytest.mark.slow
def test_a_credential_of_somebody_is_taken_on_for_its_own_host_only(keeper: Keeper) -> None:
    theirs = keeper.awx.add("quay", host="quay.io", username="me", password="theirs-canary", verify_ssl=True)
    before = json.dumps(theirs)
    run = keeper.run(name="quay")
    assert "is for quay.io, not for" in reason(run)
    assert json.dumps(theirs) == before
    assert (keeper.writes(), keeper.aws.calls) == ([], [])

    static = keeper.awx.add("static", host=keeper.registry, username="AWS", password="dead-canary", verify_ssl=True)
    assert keeper.run(name="static").status == 0
    assert keeper.aws.verify(keeper.registry, "AWS", static["inputs"]["password"])


@pytest.mark.slow
def test_what_does_not_work_says_why_and_changes_nothing(keeper: Keeper, aws: AWSEndpoint) -> None:
    made = keeper.awx.add("ECR", host=keeper.registry, username="AWS", password="old-canary", verify_ssl=True)
    before = json.dumps(made)
    template = "{{ lookup('ansible.builtin.pipe', 'echo executed') }}"
    cases: list[tuple[dict[str, object], dict[str, str], int | None, str]] = [
        ({}, {"CONTROLLER_HOST": ""}, None, "CONTROLLER_HOST, and CONTROLLER_OAUTH_TOKEN or"),
        ({}, {"CONTROLLER_OAUTH_TOKEN": "wrong"}, None, "the token, or the user name and password, is not valid there"),
        ({}, {"CONTROLLER_HOST": "http://127.0.0.1:9"}, None, "no answer ("),
        ({}, {"CONTROLLER_OPTIONAL_API_URLPATTERN_PREFIX": "/api/controller/"}, None, "there is no such thing"),
        ({"organization": "Nobody's"}, {}, None, "AWX has no organization Nobody's, or this user may not see it"),
        ({"name": 5}, {}, None, "awx_registry_credential_name"),
        ({}, {}, 403, "this user lacks a right"),
        ({}, {}, 302, "it sends to another URL"),
        ({"registry": "eu-west-1"}, {}, None, "eu-west-1 is not the host of a registry"),
    ]
    for variables, env, refusal, words in cases:
        keeper.awx.refusal = refusal
        run = keeper.run(env=env, **variables)
        assert words in reason(run), (variables, env, refusal)
    keeper.awx.refusal = None
    aws.fail("AccessDeniedException")
    assert "AccessDeniedException" in reason(keeper.run())
    assert json.dumps(made) == before
    aws.heal()

    # What AWX says is data.
    made["description"] = f"{template}; token valid until 2000-01-01T00:00:00Z"
    run = keeper.run()
    assert run.status == 0, run.output
    assert "executed" not in run.output.replace("echo executed", "")


@pytest.mark.slow
@pytest.mark.versions
def test_the_certificate_of_awx_is_checked_unless_it_is_said_otherwise(keeper: Keeper, tmp_path: Path) -> None:
    authority = CertificateAuthority("company")
    with TLSFront(urlsplit(keeper.awx.url).port or 0, authority.server("awx", ["127.0.0.1"])) as front:
        host = {"CONTROLLER_HOST": front.url.removeprefix("https://")}
        assert "no answer (" in reason(keeper.run(env=host))
        assert keeper.awx.requests == []
        assert keeper.run(env={**host, "CONTROLLER_VERIFY_SSL": "false"}).status == 0
        bundle = tmp_path / "bundle.pem"
        bundle.write_bytes(authority.pem)
        keeper.awx.credentials.clear()
        assert keeper.run(env={**host, "SSL_CERT_FILE": str(bundle)}).status == 0
    (made,) = keeper.awx.credentials
    assert made["inputs"]["host"] == keeper.registry
