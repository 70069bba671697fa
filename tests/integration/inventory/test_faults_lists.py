"""Lists of the modules and of the runner while the API server is in trouble: complete, or an error, and soon."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import urllib3
from urllib3.util import retry

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster import client
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.connection import RETRY_AFTER_LIMIT
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from kube_ecr_runner.cluster import client as kube
from kube_ecr_runner.cluster import sources
from kube_ecr_runner.contract.kinds import NAMESPACED_KIND
from tests.support.aws.endpoint import Principal
from tests.support.cluster.api_proxy import Answer, APIProxy, How, status
from tests.support.cluster.objects import NAMESPACED, Cluster, pull_secret
from tests.support.cluster.pod import Pod

pytestmark = pytest.mark.usefixtures("own_files")
NAMES = ["a", "b", "c"]
# Of each request.
ATTEMPTS = 4
LIST = "awsecrimagepullsecrets"
TOO_MANY = Answer(429, status(429, "TooManyRequests", "try again later"), {"Retry-After": "3600"})
BROKEN = Answer(500, "panic", {"Content-Type": "text/plain"})
GATEWAY = Answer(504, "<html>canary</html>", {"Content-Type": "text/html"})
EXPIRED = Answer(410, status(410, "Expired", "the provided continue parameter is too old"))
NO_STATUS = Answer(500, '{"message": null, "reason": 5}')
NO_LIST = Answer(200, "[]")
OTHER_LIST = Answer(200, '{"kind": "SecretList", "metadata": {}, "items": []}')
EMPTY = Answer(200, "")
NOWHERE = Answer(404, "<html>canary</html>", {"Content-Type": "text/html"})

Lists = Callable[[], list[dict]]


@pytest.fixture(params=["module", "runner"])
def lists(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    proxy: APIProxy,
    cluster: Cluster,
    principal: Principal,
) -> Lists:
    """Lists three resources, two a page."""
    (own,) = cluster.namespaces("own")
    for name in NAMES:
        cluster.create(pull_secret(name, principal, namespace=own))
    for each in (client, kube):
        monkeypatch.setattr(each, "PAGE", 2)
    if request.param == "module":
        return lambda: list(client.connect({"kubeconfig": str(proxy.kubeconfig)}).list_resources(NAMESPACED))
    source = sources.resources_of(NAMESPACED_KIND)
    pages = kube.Cluster.connect(str(proxy.kubeconfig), None, silence=90).list_pages
    return lambda: [each for page in pages(source) for each in page["items"]]


def is_endless(fault: Answer | How, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether a fault ends with a time-out only, and make that one that a test can wait for.

    Then an answer that takes longer, as on a busy machine, is asked for again, too.
    """
    if fault not in (How.HANG, How.SILENCE):
        return False
    monkeypatch.setattr(client, "READ_TIMEOUT", 0.3)
    monkeypatch.setitem(kube.Cluster._send.__kwdefaults__, "timeout", urllib3.Timeout(connect=5, read=0.3))
    return True


def names(found: list[dict]) -> list[str]:
    return [each["metadata"]["name"] for each in found]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["limit=2$", "continue="], ids=["first page", "second page"])
@pytest.mark.parametrize(
    ("fault", "times"),
    [(TOO_MANY, 1), (BROKEN, 2), (GATEWAY, 2), (How.RESET, 1), (How.HANG, 1), (How.SILENCE, 1)],
    ids=["429", "500", "504", "reset", "hang", "silence"],
)
def test_a_fault_that_passes_costs_no_object(
    proxy: APIProxy, lists: Lists, fault: Answer | How, times: int, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no more time than is reasonable, whatever the API server asks for."""
    pauses: list[float] = []
    monkeypatch.setattr(retry, "time", SimpleNamespace(time=time.time, sleep=pauses.append))
    most = ATTEMPTS * 2 if is_endless(fault, monkeypatch) else 2 + times
    proxy.fault(fault, "GET", path, times)
    assert names(lists()) == NAMES
    assert 2 + times <= proxy.count("GET", f"{LIST}.*limit=2") == proxy.count("GET", LIST) <= most
    assert max(pauses, default=0) <= RETRY_AFTER_LIMIT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "reason", "words"),
    [
        (TOO_MANY, "TooManyRequests", "try again later"),
        (GATEWAY, "HTTP504", "answered with HTTP status 504"),
        (NO_STATUS, "HTTP500", "answered with HTTP status 500"),
        (NOWHERE, "HTTP404", "answered with HTTP status 404"),
        (OTHER_LIST, "MalformedAnswer", "answered is a SecretList, and no AWSECRImagePullSecretList"),
        (EMPTY, "MalformedAnswer", "answered is empty"),
        (How.RESET, "Unreachable", "no connection"),
        (How.HANG, "Unreachable", "did not answer in time"),
        (How.SILENCE, "Unreachable", "did not answer in time"),
        (EXPIRED, "Expired", "too old"),
        (NO_LIST, "MalformedAnswer", "answer"),
    ],
    ids=["429", "504", "500", "404", "other list", "empty", "reset", "hang", "silence", "410", "no list"],
)
def test_a_fault_that_stays_is_an_error(
    proxy: APIProxy, lists: Lists, fault: Answer | How, reason: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_endless(fault, monkeypatch)
    proxy.fault(fault, "GET", "continue=")
    with pytest.raises((kube.KubernetesError, KubernetesError), match=words) as caught:
        lists()
    assert caught.value.reason == reason
    assert "canary" not in str(caught.value)
    assert proxy.count("GET", "") <= ATTEMPTS * 2


@pytest.mark.parametrize("lists", ["module"], indirect=True)
def test_a_list_of_a_module_that_the_api_server_forgot_begins_anew(proxy: APIProxy, lists: Lists) -> None:
    """That of the runner does so in its watch."""
    proxy.fault(EXPIRED, "GET", "continue=", times=2)
    assert names(lists()) == NAMES
    assert proxy.count("GET", "limit=2$") == 3


# The service account of a pod


@pytest.fixture
def pod(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Pod]]:
    """A pod, and its namespace, where it may do all."""
    (own,) = cluster.namespaces("pod")
    cluster.kubectl("create", "rolebinding", "all", "--clusterrole=admin", f"--serviceaccount={own}:default", "-n", own)
    pod = Pod(tmp_path, monkeypatch)
    pod.token.write_text(cluster.kubectl("create", "token", "default", "-n", own))
    pod.ca.write_bytes((cluster.plane.directory / "ca.crt").read_bytes())
    pod.reach(cluster.plane.url)
    monkeypatch.setattr(kube, "RELOAD_SECONDS", 0.0)
    yield own, pod
    client._connect.cache_clear()


def test_the_token_of_a_pod_may_end_in_a_newline_be_gone_for_a_moment_and_be_another(
    pod: tuple[str, Pod],
) -> None:
    own, files = pod
    token, good = files.token, files.token.read_text().strip()
    files.read_token_always()
    source = sources.objects_named("ServiceAccount", "", own)
    runner, module = kube.Cluster.connect(None, None, silence=90), client.connect({})

    def listed() -> list[list[str]]:
        return [names(next(runner.list_pages(source))["items"]), names(list(module.list_service_accounts(own)))]

    token.write_text(f"{good}\n")
    assert listed() == [["default"], ["default"]]
    for write in (lambda: token.write_text(""), token.unlink):
        write()
        assert listed() == [["default"], ["default"]]


def test_a_runner_in_a_pod_that_is_refused_looks_for_another_token(pod: tuple[str, Pod]) -> None:
    own, token = pod[0], pod[1].token
    good = token.read_text()
    source = sources.objects_named("ServiceAccount", "", own)
    token.write_text("wrong\n")
    runner = kube.Cluster.connect(None, None, silence=90)
    with pytest.raises(kube.KubernetesError, match="Unauthorized"):
        next(runner.list_pages(source))
    token.write_text(good)
    assert names(next(runner.list_pages(source))["items"]) == ["default"]
