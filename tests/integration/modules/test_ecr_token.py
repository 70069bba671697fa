"""ecr_token over HTTP against the AWS endpoint, in real ansible-playbook runs."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws import session
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract import aws_retries
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.aws_retries import ATTEMPTS
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_token import FEATURE
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import Cluster
from tests.support.harness.ansible import TARGET_PYTHON, Ansible, Run, returned

REGION = "eu-west-1"
ROLE = "arn:aws:iam::111122223333:role/reader"


def keys(principal: Principal, **changes: object) -> dict[str, Any]:
    pair = {"access_key": principal.access_key, "secret_key": principal.secret_key}
    return {"region": REGION, **pair, **changes}


def without(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in names}


def ask_task(options: dict[str, Any]) -> dict[str, Any]:
    task = {"name": "Ask", "kube_ecr.secrets.ecr_token": options, "register": "ecr"}
    return {**task, "ignore_errors": True, "no_log": True}


def ask(ansible: Ansible, options: dict[str, Any], **env: str) -> Run:
    """Run ecr_token under no_log; what it registered is told by a second task."""
    return ansible.play(ask_task(options), {"name": "Tell", "ansible.builtin.debug": {"msg": "{{ ecr }}"}}, **env)


def told(run: Run) -> dict[str, Any]:
    assert run.status == 0, run.output
    return run.result("Tell")["msg"]


def counted(result: dict[str, Any]) -> Counter[str]:
    """Return how often each operation was called, as the result has it."""
    counts: Counter[str] = Counter()
    for each in result["calls"]:
        assert each["code"] == "OK"
        counts[each["operation"]] += each["count"]
    return counts


def test_explicit_keys_give_an_authorization(ansible: Ansible, aws: AWSEndpoint, principal: Principal) -> None:
    before = datetime.now(UTC)
    (authorization,) = told(ask(ansible, keys(principal, endpoint_url=aws.url)))["authorizations"]
    assert aws.verify(authorization["registry"], authorization["username"], authorization["password"])
    assert authorization["registry"] == principal.registry(REGION)
    expiry = datetime.fromisoformat(authorization["expires_at"])
    assert before + aws.token_life - timedelta(seconds=1) <= expiry <= datetime.now(UTC) + aws.token_life


def test_explicit_keys_win_alone_over_everything_ambient(
    ansible: Ansible, aws: AWSEndpoint, principal: Principal
) -> None:
    ambient = {
        "AWS_PROFILE": "nope",
        "AWS_SESSION_TOKEN": "stale",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "AKIAAMBIENTAMBIENT00",
        "AWS_SECRET_ACCESS_KEY": "ambient",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_REGION": "us-east-1",
    }
    assert told(ask(ansible, keys(principal, endpoint_url=aws.url), **ambient))["errors"] == []
    assert [(call.access_key, call.region) for call in aws.calls] == [(principal.access_key, REGION)]


def test_without_keys_the_chain_of_boto3_is_used(ansible: Ansible, aws: AWSEndpoint, principal: Principal) -> None:
    pair = {"AWS_ACCESS_KEY_ID": principal.access_key, "AWS_SECRET_ACCESS_KEY": principal.secret_key}
    run = ask(ansible, {}, **pair, AWS_REGION=REGION, AWS_ENDPOINT_URL=aws.url)
    assert told(run)["authorizations"][0]["registry"] == principal.registry(REGION)

    shared = ansible.home / ".aws"
    shared.mkdir()
    (shared / "credentials").write_text(
        f"[reader]\naws_access_key_id={principal.access_key}\naws_secret_access_key={principal.secret_key}\n"
    )
    (shared / "config").write_text("[profile reader]\nregion = eu-central-1\n")
    run = ask(ansible, {"profile": "reader", "endpoint_url": aws.url})
    assert told(run)["authorizations"][0]["registry"] == principal.registry("eu-central-1")


@pytest.fixture
def credentials_endpoint(principal: Principal) -> Iterator[str]:
    """What EKS Pod Identity's agent is: an HTTP endpoint that gives keys to who shows the token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.headers["Authorization"] == "pod-token"
            keys = {"AccessKeyId": principal.access_key, "SecretAccessKey": principal.secret_key}
            self.send_response(200 if is_known else 403)
            self.end_headers()
            self.wfile.write(json.dumps(keys | {"Token": "", "Expiration": "2099-01-01T00:00:00Z"}).encode())

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/credentials"
        server.shutdown()


@pytest.mark.slow
def test_the_identities_of_pods_and_programs_are_found(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal, credentials_endpoint: str
) -> None:
    """IRSA, EKS Pod Identity, and a program as IAM Roles Anywhere has it; boto3's own code does the finding."""
    aws.trust_issuer(cluster.plane.issuer, cluster.plane.issuer_key)
    role = aws.role("pod", account="444455556666", web_identities=["system:serviceaccount:default:default"])
    token = ansible.home / "token"
    token.write_text(cluster.kubectl("create", "token", "default", "--audience=sts.amazonaws.com"))
    (ansible.home / "pod-token").write_text("pod-token")
    keys_json = {"Version": 1, "AccessKeyId": principal.access_key, "SecretAccessKey": principal.secret_key}
    (ansible.home / "keys.json").write_text(json.dumps(keys_json))
    (ansible.home / "config").write_text(f"[default]\ncredential_process = cat {ansible.home}/keys.json\n")
    common = {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": aws.url, "AWS_EC2_METADATA_DISABLED": "true"}
    for env, account in (
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": role.arn()}, role.account),
        (
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": credentials_endpoint,
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(ansible.home / "pod-token"),
            },
            principal.account,
        ),
        ({"AWS_CONFIG_FILE": str(ansible.home / "config")}, principal.account),
    ):
        aws.forget_calls()
        result = told(ask(ansible, {}, **common, **env))
        assert [each["registry"].partition(".")[0] for each in result["authorizations"]] == [account], result
        assert counted(result) == Counter(f"{call.service}:{call.operation}" for call in aws.calls)


def test_roles_web_identities_and_registries_are_options(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    aws.trust_issuer(cluster.plane.issuer, cluster.plane.issuer_key)
    first = aws.role("first", account="444455556666", web_identities=["system:serviceaccount:default:default"])
    second = aws.role("second", account="555566667777", trusts=[principal, first], external_id="canary-id")
    token = cluster.kubectl("create", "token", "default", "--audience=sts.amazonaws.com")
    (ansible.home / "token").write_text(f"{token}\n")
    role = {"role_arn": second.arn(), "external_id": "canary-id"}
    web = {"region": REGION, "endpoint_url": aws.url}
    cases: dict[str, tuple[dict[str, Any], list[str]]] = {
        "role": (keys(principal, endpoint_url=aws.url, **role), [second.registry()]),
        "file": (web | {"web_identity_token_file": "token", "role_arn": first.arn()}, [first.registry()]),
        "chain": (
            web | {"web_identity_token": token, "web_identity_role_arn": first.arn(), **role},
            [second.registry()],
        ),
        "public": (keys(principal, endpoint_url=aws.url, public=True), [principal.registry(), "public.ecr.aws"]),
        "regions": (
            keys(principal, endpoint_url=aws.url, registries=["us-east-1", "cn-north-1", "ecr.example.com@us-east-1"]),
            [principal.registry("us-east-1"), principal.registry("cn-north-1"), "ecr.example.com"],
        ),
    }
    tasks = []
    for name, (options, _) in cases.items():
        tasks += [ask_task(options), {"name": name, "ansible.builtin.debug": {"msg": "{{ ecr }}"}}]
    run = ansible.play(*tasks)
    for name, (_, registries) in cases.items():
        assert [each["registry"] for each in run.result(name)["msg"]["authorizations"]] == registries, name
    assert {call.session_name for call in aws.calls} == {"", "kube-ecr-secrets"}
    asked = sum((counted(run.result(name)["msg"]) for name in cases), Counter())
    assert asked == Counter(f"{call.service}:{call.operation}" for call in aws.calls)


def test_a_region_that_fails_is_named_beside_what_the_others_gave(
    ansible: Ansible, aws: AWSEndpoint, principal: Principal
) -> None:
    aws.fail("AccessDeniedException", region="us-east-1")
    result = told(ask(ansible, keys(principal, endpoint_url=aws.url, registries=["us-east-1", REGION])))
    assert [each["requested"] for each in result["authorizations"]] == [REGION]
    assert [(each["requested"], each["reason"]) for each in result["errors"]] == [
        ("us-east-1", "AccessDeniedException")
    ]
    assert result["failed"]


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "secret_key: is missing": ({}, ("secret_key",)),
    "access_key: is missing": ({}, ("access_key",)),
    "access_key: is given but empty": ({"access_key": "", "secret_key": ""}, ()),
    "secret_key: begins or ends with white space": ({"secret_key": "canary-secret\n"}, ()),
    "session_token: is given but empty": ({"session_token": ""}, ()),
    "session_token: needs access_key": ({"session_token": "canary"}, ("access_key", "secret_key")),
    "profile: cannot be used together": ({"profile": "reader"}, ()),
    "region: 'eu-west-1\\n' begins or ends with white space": ({"region": "eu-west-1\n"}, ()),
    "an availability zone is none": ({"region": "eu-west-1a"}, ()),
    "region: is missing": ({"region": ""}, ()),
    "role_arn: 'reader' is not the ARN of a role": ({"role_arn": "reader"}, ()),
    "external_id: needs role_arn": ({"external_id": "canary-id"}, ()),
    "external_id: is not an external ID": ({"external_id": "canary id", "role_arn": ROLE}, ()),
    "role_session_name: 'a b'": ({"role_session_name": "a b"}, ()),
    "web_identity_token: cannot be used together": ({"web_identity_token": "canary"}, ()),
    "role_arn: is missing": ({"web_identity_token": "canary"}, ("access_key", "secret_key")),
    "web_identity_token_file: nowhere cannot be read": ({"web_identity_token_file": "nowhere"}, ()),
    "web_identity_role_arn: needs web_identity_token": ({"web_identity_role_arn": ROLE}, ()),
    "registries: 'https://public.ecr.aws' is not a registry host": ({"registries": ["https://public.ecr.aws"]}, ()),
    "registries: 'europe' is not an AWS region": ({"registries": ["europe"]}, ()),
    "aws_ca_bundle: is given but empty": ({"aws_ca_bundle": ""}, ()),
    "aws_ca_bundle: nowhere.pem cannot be read (No such file or directory)": ({"aws_ca_bundle": "nowhere.pem"}, ()),
    "aws_config: 'user_agent_extr' is no setting": ({"aws_config": {"user_agent_extr": "canary"}}, ()),
    "aws_config: read_timeout has to be a number greater than 0": ({"aws_config": {"read_timeout": "canary"}}, ()),
    "botocore does not accept the value of retries": ({"aws_config": {"retries": {"canary": 1}}}, ()),
}


def test_what_cannot_be_meant_is_refused_before_any_call(
    ansible: Ansible, aws: AWSEndpoint, principal: Principal
) -> None:
    """Node roles or other ambient keys never stand in for half a pair."""
    tasks = []
    for words, (changes, missing) in REFUSED.items():
        options = without(keys(principal, endpoint_url=aws.url, **changes), *missing)
        tasks += [ask_task(options), {"name": words, "ansible.builtin.debug": {"msg": "{{ ecr }}"}}]
    ambient = {"AWS_ACCESS_KEY_ID": principal.access_key, "AWS_SECRET_ACCESS_KEY": principal.secret_key}
    run = ansible.play(*tasks, **ambient)
    assert run.status == 0, run.output
    for words in REFUSED:
        result = run.result(words)["msg"]
        assert words in result["msg"]
        assert [each["reason"] for each in result["errors"]] == ["InvalidOption"]
    assert "canary" not in run.output
    assert aws.calls == []


@pytest.mark.slow
def test_errors_of_aws_are_told_apart(ansible: Ansible, aws: AWSEndpoint, principal: Principal) -> None:
    """One playbook, a task for each: what AWS answers, and what becomes of it."""
    forbidden = aws.principal(allowed=False)
    cases = {
        "UnrecognizedClientException": keys(principal, access_key="AKIACANARYCANARY0000"),
        "InvalidSignatureException": keys(principal, secret_key=b64encode(principal.secret_key.encode()).decode()),
        "AccessDeniedException": keys(forbidden),
        "Unreachable": keys(principal, endpoint_url="http://127.0.0.1:9"),
        "InvalidEndpoint": keys(principal, endpoint_url="not a url"),
        "ProfileNotFound": {"region": REGION, "profile": "nope"},
        "NoCredentials": {"region": REGION},
    }
    tasks = []
    for reason, options in cases.items():
        tasks.append(ask_task({"endpoint_url": aws.url, **options}))
        tasks.append({"name": reason, "ansible.builtin.debug": {"msg": "{{ ecr }}"}})
    run = ansible.play(*tasks, AWS_EC2_METADATA_DISABLED="true")
    assert run.status == 0, run.output
    for reason in cases:
        result = run.result(reason)["msg"]
        (error,) = result["errors"]
        assert (error["reason"], error["msg"]) == (reason, result["msg"])
        assert result["authorizations"] == []
        is_told_by_aws = reason not in ("InvalidEndpoint", "ProfileNotFound", "NoCredentials")
        assert [each["code"] for each in result["calls"]] == [reason] * is_told_by_aws
    assert forbidden.arn(REGION) in run.result("AccessDeniedException")["msg"]["msg"]
    for secret in (principal.secret_key, "AKIACANARYCANARY0000", "AWS4-HMAC-SHA256", "Traceback"):
        assert secret not in run.output


@pytest.mark.slow
def test_throttling_is_retried_and_an_outage_ends(ansible: Ansible, aws: AWSEndpoint, principal: Principal) -> None:
    options = keys(principal, endpoint_url=aws.url)
    aws.fail("ThrottlingException", "Rate exceeded", times=2)
    result = told(ask(ansible, options))
    assert result["errors"] == []
    assert aws.count("GetAuthorizationToken") == 3
    call = {"operation": "ecr:GetAuthorizationToken"}
    assert result["calls"] == [call | {"code": "OK", "count": 1}, call | {"code": "ThrottlingException", "count": 2}]

    aws.fail("InternalFailure", "<html>", status=500)
    result = told(ask(ansible, options))
    assert result["errors"][0]["reason"] == "ServerError"
    assert result["calls"] == [call | {"code": "ServerError", "count": ATTEMPTS}]


TYPO = {"regin": REGION}
TOKEN = {"authorizationToken": "QVdTOmNhbmFyeQ==", "expiresAt": 4102444800.0, "proxyEndpoint": "https://a.example"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "without authorizationData"),
        ([TOKEN | {"authorizationToken": "Y2FuYXJ5"}], "not of the form user:password"),
        ([TOKEN | {"authorizationToken": "%canary%"}], "not base64"),
        ([TOKEN | {"authorizationToken": {"canary": "x"}}], "not of the form user:password"),
        ([TOKEN | {"proxyEndpoint": 5}], "without a usable proxyEndpoint"),
        ([TOKEN | {"proxyEndpoint": "http://["}], "without a usable proxyEndpoint"),
        (["canary"], "cannot be read"),
        ("canary", "cannot be read"),
    ],
)
def test_a_malformed_answer_is_an_error(aws: AWSEndpoint, principal: Principal, data: object, words: str) -> None:
    """In this process, to be quick; the answer comes over HTTP all the same."""
    options = (
        dict.fromkeys(FEATURE.argument_spec) | {"role_session_name": "test"} | keys(principal, endpoint_url=aws.url)
    )
    aws.answer({"authorizationData": [TOKEN]})
    assert FEATURE.run(options, False, False)["authorizations"][0]["password"] == "canary"
    aws.answer({"authorizationData": data})
    result = FEATURE.run(options, False, False)
    assert result["errors"][0]["reason"] == "MalformedAnswer"
    assert words in result["msg"]
    assert "canary" not in result["msg"]
    assert result["authorizations"] == []


PAGE = "<html>canary</html>"


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        ((200, "[]"), "MalformedAnswer", "check"),
        ((200, "null"), "MalformedAnswer", "check"),
        ((200, PAGE), "MalformedAnswer", "check"),
        ((200, ""), "MalformedAnswer", "check"),
        ((200, '{"authorizationData": [{"authori'), "MalformedAnswer", "check"),
        ((302, PAGE), "MalformedAnswer", "status 302 and is a redirect"),
        ((403, PAGE), "MalformedAnswer", "status 403 and is no error of AWS: what answers is none of AWS'"),
        ((404, ""), "MalformedAnswer", "check"),
        ((407, PAGE), "MalformedAnswer", "status 407"),
        ((429, PAGE), "ThrottlingException", "tried again"),
        ((502, PAGE), "ServerError", "tried again"),
        ((503, ""), "ServerError", "tried again"),
    ],
)
@pytest.mark.parametrize("service", ["ecr", "ecr-public", "sts"])
def test_what_is_no_answer_of_aws_is_told_of_the_service_and_its_region(
    aws: AWSEndpoint,
    principal: Principal,
    service: str,
    answer: tuple[int, str],
    reason: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aws_retries, "FIRST_WAIT", 0)
    status, body = answer
    aws.answer(body, service=service, status=status)
    options = dict.fromkeys(FEATURE.argument_spec) | keys(principal, endpoint_url=aws.url)
    options |= {"role_session_name": "test"}
    named = f"AWS ECR GetAuthorizationToken in {REGION}"
    if service == "sts":
        options["role_arn"] = ROLE
        named = f"AWS STS AssumeRole of {ROLE} in {REGION}"
    if service == "ecr-public":
        options["registries"] = ["public.ecr.aws"]
        named = "AWS ECR Public GetAuthorizationToken in us-east-1"
    (error,) = FEATURE.run(options, False, False)["errors"]
    assert (error["reason"], error["msg"].startswith(named)) == (reason, True), error["msg"]
    assert words in error["msg"]
    assert "canary" not in error["msg"]


def test_a_call_that_is_never_answered_ends(
    aws: AWSEndpoint, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "READ_TIMEOUT", 0.1)
    monkeypatch.setattr(aws_retries, "FIRST_WAIT", 0.01)
    aws.hang()
    options = dict.fromkeys(FEATURE.argument_spec) | keys(principal, endpoint_url=aws.url)
    result = FEATURE.run(options | {"role_session_name": "test"}, False, False)
    assert result["errors"][0]["reason"] == "TimedOut"
    assert aws.count("GetAuthorizationToken") == ATTEMPTS


@pytest.mark.parametrize(
    ("expiry", "words"),
    [
        pytest.param(None, "without expiresAt", id="absent"),
        pytest.param(1420070400.0, "expired at 2015-01-01T00:00:00Z", id="past"),
        pytest.param(True, "expired at 1970-01-01T00:00:01Z", id="a truth"),
        pytest.param("soon", "cannot be read", id="a word"),
        pytest.param([], "cannot be read", id="a list"),
        pytest.param(1e18, "cannot be read", id="after the end of the calendar"),
        pytest.param(-1e15, "cannot be read", id="before its beginning"),
        pytest.param(253402300799, None, id="the last second of 9999"),
    ],
)
@pytest.mark.parametrize("public", [False, True], ids=["ecr", "public"])
def test_an_absurd_expiry_is_an_error_or_counts_as_the_longest_that_aws_documents(
    aws: AWSEndpoint, principal: Principal, expiry: object, words: str | None, public: bool
) -> None:
    """In this process, to be quick; the answer comes over HTTP all the same."""
    options = (
        dict.fromkeys(FEATURE.argument_spec) | {"role_session_name": "test"} | keys(principal, endpoint_url=aws.url)
    )
    options["registries"] = ["public.ecr.aws"] if public else [REGION]
    aws.answer_expiry(expiry)
    result = FEATURE.run(options, False, False)
    if words:
        assert (result["errors"][0]["reason"], result["authorizations"]) == ("MalformedAnswer", [])
        assert words in result["msg"]
    else:
        told_expiry = datetime.fromisoformat(result["authorizations"][0]["expires_at"])
        assert told_expiry <= datetime.now(UTC) + timedelta(hours=12)


@pytest.mark.slow
def test_the_shipped_module_gives_the_result_of_the_fast_path(
    ansible: Ansible, aws: AWSEndpoint, principal: Principal
) -> None:
    """`environment` on a task makes Ansible ship the module, as it does to any other host."""
    good, bad = keys(principal, endpoint_url=aws.url), keys(principal, secret_key="wrong", endpoint_url=aws.url)
    tasks = []
    for case, options in {"good": good, "bad": bad, "half": without(good, "secret_key"), "typo": TYPO}.items():
        for way, environment in {"fast": {}, "shipped": {"SHIPPED": "1"}}.items():
            task = {"name": f"{case} {way}", "kube_ecr.secrets.ecr_token": options, "ignore_errors": True}
            tasks.append({**task, "environment": environment, "vars": {"ansible_python_interpreter": TARGET_PYTHON}})
    run = ansible.play(*tasks)
    for case in ("good", "bad", "half", "typo"):
        fast, shipped = comparable(run.result(f"{case} fast")), comparable(run.result(f"{case} shipped"))
        assert fast == shipped
    assert principal.secret_key not in run.output


def comparable(result: dict[str, Any]) -> dict[str, Any]:
    """Drop what differs by nature: the token of another call, and what Ansible itself adds."""
    kept = returned(result)
    given = kept.get("authorizations", [])
    kept["authorizations"] = [without(each, "password", "expires_at") for each in given]
    return kept


def test_a_task_that_would_log_the_password_is_warned_about(
    ansible: Ansible, aws: AWSEndpoint, principal: Principal
) -> None:
    task = {"name": "Ask", "kube_ecr.secrets.ecr_token": keys(principal, endpoint_url=aws.url)}
    assert any("no_log: true" in warning for warning in ansible.play(task).result("Ask")["warnings"])
    assert "warnings" not in told(ask(ansible, keys(principal, endpoint_url=aws.url)))


def test_a_missing_library_is_named_with_its_interpreter(ansible: Ansible, principal: Principal) -> None:
    """A bare interpreter of the same version, as a managed host without boto3 has."""
    bare = ansible.bare_interpreter()
    task = {"name": "Ask", "kube_ecr.secrets.ecr_token": keys(principal), "no_log": True, "register": "ecr"}
    tell = {"name": "Tell", "ansible.builtin.debug": {"msg": "{{ ecr.msg }}"}}
    run = ansible.play({**task, "ignore_errors": True, "vars": {"ansible_python_interpreter": str(bare)}}, tell)
    assert "boto3" in run.result("Tell")["msg"]
    assert str(bare) in run.result("Tell")["msg"]
