"""How ecr_token makes its clients, as a user says it: certificates, botocore's settings, defaults of action groups.

In real ansible-playbook runs of the newest and the oldest versions. amazon.aws is the real one: its modules call the
same endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract import aws_retries
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.aws_retries import ATTEMPTS
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_token import FEATURE
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.http_proxy import HTTPProxy
from tests.support.cluster.pki import CertificateAuthority
from tests.support.cluster.tls_front import TLSFront
from tests.support.harness import packaged_collections
from tests.support.harness.ansible import COLLECTIONS, TARGET_PYTHON, Ansible, Run

REGION = "eu-west-1"
CANARY = "canary-proxy-password"
CA = CertificateAuthority("company", has_identifiers=False)
OTHER = CertificateAuthority("other", has_identifiers=False)
SERVER = CA.server("aws", ["127.0.0.1"])
# `environment` makes Ansible ship the module, as it does to any other host.
WAYS: dict[str, dict[str, Any]] = {
    "fast": {},
    "shipped": {
        "environment": {"SHIPPED": "1"},
        "vars": {"ansible_python_interpreter": TARGET_PYTHON},
    },
}


@pytest.fixture(params=["newest", pytest.param("oldest", marks=pytest.mark.slow)])
def commands(ansible: Ansible, request: pytest.FixtureRequest) -> Ansible:
    return ansible.oldest() if request.param == "oldest" else ansible


@pytest.fixture
def http_proxy() -> Iterator[HTTPProxy]:
    with HTTPProxy() as server:
        yield server


def ask(name: str, options: dict[str, Any], **keywords: Any) -> list[dict[str, Any]]:
    """Return a task that runs ecr_token, and one of that name that tells what it registered."""
    task = {"name": "Ask", "kube_ecr.secrets.ecr_token": options, "register": "ecr", "ignore_errors": True}
    return [{**task, "no_log": True, **keywords}, {"name": name, "ansible.builtin.debug": {"msg": "{{ ecr }}"}}]


def errors(run: Run, name: str) -> list[tuple[str, str]]:
    assert run.status == 0, run.output
    return [(each["reason"], each["msg"]) for each in run.result(name)["msg"]["errors"]]


def keys(principal: Principal, **more: Any) -> dict[str, Any]:
    return {"access_key": principal.access_key, "secret_key": principal.secret_key, "region": REGION, **more}


def own_chain(principal: Principal) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": principal.access_key, "AWS_SECRET_ACCESS_KEY": principal.secret_key}


@pytest.mark.slow
def test_certificates_are_checked_with_the_bundle_that_is_given(
    commands: Ansible, aws: AWSEndpoint, principal: Principal, tmp_path: Path
) -> None:
    """Explicit keys and the chain of boto3, in which it calls STS by itself for a profile that assumes a role."""
    good, other, nowhere = tmp_path / "good.pem", tmp_path / "other.pem", tmp_path / "nowhere.pem"
    good.write_bytes(OTHER.pem + CA.pem)
    other.write_bytes(OTHER.pem)
    role = aws.role("reader", trusts=[principal])
    (commands.home / "config").write_text(
        f"[profile reader]\nrole_arn = {role.arn()}\ncredential_source = Environment\n"
    )
    with TLSFront(urlsplit(aws.url).port or 0, SERVER) as front:
        explicit = keys(principal, endpoint_url=front.url)
        profile = {"profile": "reader", "region": REGION, "endpoint_url": front.url}
        cases: dict[str, tuple[dict[str, Any], str]] = {
            "good": ({**explicit, "aws_ca_bundle": str(good)}, ""),
            "profile": ({**profile, "aws_ca_bundle": str(good)}, ""),
            "other": ({**explicit, "aws_ca_bundle": str(other)}, f"has to be in {other} (aws_ca_bundle)"),
            "other, profile": ({**profile, "aws_ca_bundle": str(other)}, f"has to be in {other} (aws_ca_bundle)"),
            "nowhere": (
                {**explicit, "aws_ca_bundle": str(nowhere)},
                f"aws_ca_bundle: {nowhere} cannot be read (No such",
            ),
            "unchecked": ({**explicit, "validate_certs": False}, ""),
            "unchecked, profile": ({**profile, "validate_certs": False}, ""),
            "unchecked, with a bundle": ({**explicit, "validate_certs": False, "aws_ca_bundle": str(other)}, ""),
            "public CAs": (explicit, "has to be in the file that AWS_CA_BUNDLE names"),
        }
        tasks = []
        for name, (options, _) in cases.items():
            for way, keywords in WAYS.items():
                tasks += ask(f"{name} {way}", options, **keywords)
        run = commands.play(*tasks, AWS_CONFIG_FILE=str(commands.home / "config"), **own_chain(principal))
    for name, (_, words) in cases.items():
        for way in WAYS:
            found = errors(run, f"{name} {way}")
            assert [words in text for _, text in found] == ([True] if words else []), (name, way, found)
    assert principal.secret_key not in run.output


@pytest.mark.slow
def test_the_environment_names_a_bundle_and_an_empty_name_is_none(
    commands: Ansible, aws: AWSEndpoint, principal: Principal, tmp_path: Path
) -> None:
    """Whatever is not filled in by a manifest or a CI job is not set: the CAs of the system count."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(CA.pem)
    with TLSFront(urlsplit(aws.url).port or 0, SERVER) as front:
        explicit = keys(principal, endpoint_url=front.url)
        tasks = [*ask("fast", explicit), *ask("own", {"region": REGION, "endpoint_url": front.url})]
        for variable in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            run = commands.play(*tasks, **{variable: str(bundle)}, **own_chain(principal))
            assert errors(run, "fast") == errors(run, "own") == []
            aws.forget_calls()
            run = commands.play(*tasks, **{variable: ""}, **own_chain(principal))
            for name in ("fast", "own"):
                assert [reason for reason, _ in errors(run, name)] == ["CertificateNotTrusted"]
            assert aws.calls == []


@pytest.mark.slow
def test_settings_of_botocore_reach_every_call(
    commands: Ansible, aws: AWSEndpoint, principal: Principal, http_proxy: HTTPProxy
) -> None:
    role = aws.role("reader", trusts=[principal])
    (commands.home / "config").write_text(
        f"[profile reader]\nrole_arn = {role.arn()}\ncredential_source = Environment\n"
    )
    named = {"aws_config": {"user_agent_extra": "team/a"}}
    password = http_proxy.url.replace("://", f"://user:{CANARY}@")
    through = {"aws_config": {"proxies": {"http": password}}}
    broken = {"aws_config": {"proxies": {"http": f"http://user:{CANARY}@127.0.0.1:9"}}}
    profile = {"profile": "reader", "region": REGION, "endpoint_url": aws.url}
    tasks = []
    for way, keywords in WAYS.items():
        tasks += ask(f"role {way}", keys(principal, endpoint_url=aws.url, role_arn=role.arn(), **named), **keywords)
        tasks += ask(f"profile {way}", {**profile, **named}, **keywords)
    env = {"AWS_CONFIG_FILE": str(commands.home / "config"), **own_chain(principal)}
    run = commands.play(*tasks, **env)
    for way in WAYS:
        assert errors(run, f"role {way}") == errors(run, f"profile {way}") == []
    assert [call.operation for call in aws.calls] == ["AssumeRole", "GetAuthorizationToken"] * 4
    assert all(call.user_agent.endswith(" team/a") for call in aws.calls), aws.calls
    assert http_proxy.passed == []

    tasks = []
    for way, keywords in WAYS.items():
        for name, config in (("through", through), ("broken", broken)):
            # Without no_log: what is shown then, at -vvv, has the options.
            options = keys(principal, endpoint_url=aws.url, **config)
            task = {"name": f"{name} {way}", "kube_ecr.secrets.ecr_token": options, "ignore_errors": True}
            tasks.append({**task, **keywords})
    run = commands.play(*tasks, args=("-vvv", "--diff"))
    for way in WAYS:
        assert run.result(f"through {way}")["errors"] == []
        assert "the proxy http://127.0.0.1:9 gives no connection" in run.result(f"broken {way}")["msg"]
    assert len(http_proxy.passed) == 2
    assert CANARY not in run.output
    assert CANARY not in json.dumps(run.results)


@pytest.mark.parametrize("is_own", [False, True], ids=["keys", "chain of boto3"])
def test_who_says_how_to_retry_is_retried_by_botocore_alone(
    aws: AWSEndpoint, principal: Principal, monkeypatch: pytest.MonkeyPatch, is_own: bool
) -> None:
    """In this process, to be quick; the answers come over HTTP all the same."""
    monkeypatch.setattr(aws_retries, "FIRST_WAIT", 0)
    for name, value in own_chain(principal).items():
        monkeypatch.setenv(name, value)
    given = {"region": REGION} if is_own else keys(principal)
    options = dict.fromkeys(FEATURE.argument_spec) | given | {"endpoint_url": aws.url, "role_session_name": "test"}
    aws.fail("InternalFailure", "x", status=500)
    for attempts in (1, 6, None):
        aws.forget_calls()
        retries = {"retries": {"mode": "standard", "total_max_attempts": attempts}} if attempts else {}
        config = {"user_agent_extra": "x", **retries}
        (error,) = FEATURE.run(options | {"aws_config": config}, False, False)["errors"]
        assert error["reason"] == "ServerError"
        assert aws.count("GetAuthorizationToken") == (attempts or ATTEMPTS)


@pytest.mark.slow
@pytest.mark.parametrize("has_amazon", [True, False], ids=["with amazon.aws", "without"])
def test_defaults_of_our_group_reach_our_module_and_those_of_amazon_aws(
    commands: Ansible, aws: AWSEndpoint, principal: Principal, tmp_path: Path, has_amazon: bool
) -> None:
    """A group of another collection reaches no module of ours, whatever our runtime.yml says; ansible-core's rule."""
    theirs: list[dict[str, Any]] = [{"name": "theirs", "amazon.aws.aws_caller_info": {}}]
    ours = [{"name": "ours", "kube_ecr.secrets.ecr_token": {}, "no_log": True}]
    path = str(COLLECTIONS)
    if has_amazon:
        packaged_collections.install(packaged_collections.AMAZON_AWS, tmp_path)
        path = f"{path}:{tmp_path}"

    def play(group: str, *tasks: dict[str, Any]) -> Run:
        defaults = {f"group/{group}": keys(principal, endpoint_url=aws.url, validate_certs=True)}
        block = {"block": list(tasks), "module_defaults": defaults}
        return commands.play(block, args=("-v",), ANSIBLE_COLLECTIONS_PATH=path, AWS_EC2_METADATA_DISABLED="true")

    run = play("kube_ecr.secrets.aws", *ours, *(theirs if has_amazon else []))
    assert run.status == 0, run.output
    assert "WARNING" not in run.output
    assert aws.count("GetAuthorizationToken") == 1
    assert {call.access_key for call in aws.calls} == {principal.access_key}
    if has_amazon:
        assert run.result("theirs")["account"] == principal.account
        run = play("amazon.aws.aws", *theirs, *ours)
        assert run.result("theirs")["account"] == principal.account
        assert run.status != 0  # ours was told no region
