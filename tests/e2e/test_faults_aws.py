"""AWS in trouble: who holds a living token keeps it, who holds none is told why, and all are served when it is over."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.aws_retries import ATTEMPTS
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.http_proxy import HTTPProxy
from tests.support.cluster.objects import GROUP, NAMESPACED, Cluster, condition, pull_secret
from tests.support.harness.runner import Runner

# The word canary is to be seen nowhere.
TOKEN = {"authorizationToken": "QVdTOmNhbmFyeQ==", "expiresAt": 4102444800.0, "proxyEndpoint": "https://a.example"}


@dataclass(frozen=True)
class Fault:
    """What AWS answers to the calls with an access key, and what the status of its resources then tells.

    One that passes is over after a few calls.
    """

    name: str
    begin: Callable[[AWSEndpoint, str], None]
    reason: str
    words: str
    passes: bool = False


def _refusing(code: str, status: int, times: int | None = None) -> Callable[[AWSEndpoint, str], None]:
    return lambda aws, key: aws.fail(code, "canary", status, times, access_key=key)


def _answering(content: dict | str) -> Callable[[AWSEndpoint, str], None]:
    return lambda aws, key: aws.answer(content, access_key=key)


def _giving(token: str) -> Callable[[AWSEndpoint, str], None]:
    return _answering({"authorizationData": [TOKEN | {"authorizationToken": token}]})


FAULTS = (
    Fault("expired", _refusing("ExpiredTokenException", 400), "ExpiredTokenException", "get new credentials"),
    Fault("denied", _refusing("AccessDeniedException", 403), "AccessDeniedException", "ecr:GetAuthorizationToken"),
    Fault(
        "throttled",
        _refusing("ThrottlingException", 400, 2 * ATTEMPTS),
        "ThrottlingException",
        "throttled the call",
        True,
    ),
    Fault("unavailable", _refusing("ServiceUnavailable", 503), "ServerError", "fault of its own"),
    Fault("no-data", _answering({}), "MalformedAnswer", "without authorizationData"),
    Fault("no-base64", _giving("%canary%"), "MalformedAnswer", "not base64"),
    Fault("no-colon", _giving("Y2FuYXJ5"), "MalformedAnswer", "not of the form user:password"),
    Fault("no-aws", _answering("<html>canary</html>"), "MalformedAnswer", "without authorizationData"),
)


@pytest.mark.slow
def test_a_living_token_outlives_each_fault_and_what_has_none_is_told_why(
    cluster: Cluster, aws: AWSEndpoint, runner: Runner
) -> None:
    """One runner, and for each fault an AWS identity with two resources: one that is served, and then a new one.

    Then a token dies meanwhile; and then nobody does anything but wait.
    """
    namespaces = dict(zip(FAULTS, cluster.namespaces(*(each.name for each in FAULTS)), strict=True))
    callers = {each: aws.principal() for each in FAULTS}
    for fault, namespace in namespaces.items():
        cluster.create(pull_secret("held", callers[fault], namespace=namespace, secret_name="held"))
    runner.start()
    for namespace in namespaces.values():
        cluster.wait_ready(NAMESPACED, "held", namespace)
    before = {namespace: cluster.secret(namespace, "held") for namespace in namespaces.values()}

    for fault in FAULTS:
        fault.begin(aws, callers[fault].access_key)
    cluster.kubectl("annotate", "aeps", "--all", "-A", f"{GROUP}/reconcile-at=1")
    for fault, namespace in namespaces.items():
        cluster.create(pull_secret("new", callers[fault], namespace=namespace, secret_name="new"))
    for fault, namespace in namespaces.items():
        for name, ready in (("held", "True"), ("new", "False")):
            line = re.compile(
                f"refresh failed .*/{namespace}/{name} .*ready={ready} reason={fault.reason} .*{fault.words}"
            )
            cluster.wait(partial(lambda line: line.search(runner.log), line), f"{fault.name} is told of {name}")
        if fault.passes:
            continue
        held, new = (cluster.resource(NAMESPACED, name, namespace) for name in ("held", "new"))
        assert [condition(held, kind)["status"] for kind in ("Ready", "RefreshFailing")] == ["True", "True"]
        assert fault.words in condition(held, "RefreshFailing")["message"]
        assert condition(new, "Ready")["status"] == "False"
        assert fault.words in condition(new, "Ready")["message"]
        assert cluster.secret(namespace, "held") == before[namespace]
        assert cluster.secret(namespace, "new") is None

    dead = namespaces[FAULTS[0]]
    cluster.age_secret(dead, "held", dead=True)
    cluster.wait_ready(NAMESPACED, "held", dead, status="False")
    assert cluster.config(dead, "held")["auths"]
    assert "canary" not in runner.log + cluster.kubectl("get", "aeps,events", "-A", "-o", "json")

    aws.heal()
    for fault, namespace in namespaces.items():
        for name in ("held", "new"):
            cluster.wait_ready(NAMESPACED, name, namespace)
            host = callers[fault].registry()
            assert aws.verify(host, "AWS", cluster.config(namespace, name)["auths"][host]["password"])
    assert condition(cluster.resource(NAMESPACED, "held", dead), "RefreshFailing")["status"] == "False"


@pytest.mark.slow
def test_runs_reach_aws_through_the_proxy_of_the_runner_and_the_api_server_directly(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, start: Callable[..., Runner]
) -> None:
    (own,) = cluster.namespaces("own")
    cluster.create(pull_secret("app", principal, namespace=own))
    endpoint = aws.url.replace("127.0.0.1", "aws.example.com")
    with HTTPProxy() as proxy:
        start(
            http_proxy=proxy.url,
            HTTPS_PROXY=proxy.url,
            NO_PROXY=".svc,127.0.0.0/8",
            KUBE_ECR_AWS_ENDPOINT_URL=endpoint,
        )
        cluster.wait_ready(NAMESPACED, "app", own)
        assert proxy.passed == [("POST", endpoint.removeprefix("http://"))]
