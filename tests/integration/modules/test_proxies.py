"""HTTPS_PROXY, HTTP_PROXY and NO_PROXY hold for the API server and for AWS, in the runner and in the modules alike."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster import client
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_token import FEATURE
from kube_ecr_runner.cluster import client as kube
from kube_ecr_runner.cluster import sources
from kube_ecr_runner.contract.kinds import NAMESPACED_KIND
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.http_proxy import HTTPProxy
from tests.support.cluster.objects import NAMESPACED, Cluster, pull_secret
from tests.support.harness.ansible import Ansible

pytestmark = pytest.mark.usefixtures("own_files")
VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY")
IN_CLUSTER = "kubernetes.default.svc"


@pytest.fixture
def http_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPProxy]:
    """A proxy, in an environment that names none."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with HTTPProxy() as proxy:
        yield proxy


def list_as_runner(kubeconfig: Path) -> list[dict]:
    pages = kube.Cluster.connect(str(kubeconfig), None, silence=90).list_pages(sources.resources_of(NAMESPACED_KIND))
    return [each for page in pages for each in page["items"]]


def list_as_module(kubeconfig: Path) -> list[dict]:
    client._connect.cache_clear()  # which does not look at the environment
    return list(client.connect({"kubeconfig": str(kubeconfig)}).list_resources(NAMESPACED))


@pytest.mark.parametrize("list_resources", [list_as_runner, list_as_module])
@pytest.mark.parametrize(
    ("host", "proxy_variable", "exceptions", "is_direct"),
    [
        pytest.param("127.0.0.1", "HTTPS_PROXY", {}, False, id="no exceptions"),
        pytest.param("127.0.0.1", "HTTPS_PROXY", {"NO_PROXY": "10.0.0.0/8,.svc"}, False, id="another network"),
        pytest.param("127.0.0.1", "HTTPS_PROXY", {"NO_PROXY": ".svc, 127.0.0.0/8"}, True, id="network"),
        pytest.param("127.0.0.1", "https_proxy", {"no_proxy": "127.0.0.0/8"}, True, id="lower case"),
        pytest.param("127.0.0.1", "https_proxy", {}, False, id="lower case, no exceptions"),
        pytest.param("127.0.0.1", "HTTP_PROXY", {}, True, id="for http alone"),
        pytest.param(IN_CLUSTER, "HTTPS_PROXY", {"NO_PROXY": "10.0.0.0/8,.svc"}, True, id="suffix"),
        pytest.param(IN_CLUSTER, "HTTPS_PROXY", {"NO_PROXY": "127.0.0.0/8,.svc.local"}, False, id="another suffix"),
        pytest.param("127.0.0.1", "proxy-url", {"NO_PROXY": "127.0.0.0/8"}, False, id="of the kubeconfig"),
    ],
)
def test_the_api_server_is_reached_directly_where_no_proxy_names_it(
    cluster: Cluster,
    http_proxy: HTTPProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    list_resources: Callable[[Path], list[dict]],
    host: str,
    proxy_variable: str,
    exceptions: dict[str, str],
    is_direct: bool,
) -> None:
    config = json.loads(Path(cluster.kubeconfig).read_text())
    (entry,) = config["clusters"]
    entry["cluster"]["server"] = server = entry["cluster"]["server"].replace("127.0.0.1", host)
    if proxy_variable == "proxy-url":
        entry["cluster"]["proxy-url"] = http_proxy.url
    else:
        monkeypatch.setenv(proxy_variable, http_proxy.url)
    for name, value in exceptions.items():
        monkeypatch.setenv(name, value)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda name, *rest, **more: resolve(name.replace(IN_CLUSTER, "127.0.0.1"), *rest, **more)
    )
    assert list_resources(kubeconfig) == []
    assert set(http_proxy.passed) == (set() if is_direct else {("CONNECT", server.removeprefix("https://"))})


@pytest.mark.parametrize(
    ("exceptions", "is_direct"), [("10.0.0.0/8", False), ("127.0.0.1", True), ("10.0.0.1,127.0.0.0/8", True)]
)
def test_an_endpoint_of_aws_that_is_an_address_may_be_in_a_network(
    aws: AWSEndpoint,
    principal: Principal,
    http_proxy: HTTPProxy,
    monkeypatch: pytest.MonkeyPatch,
    exceptions: str,
    is_direct: bool,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", http_proxy.url)
    monkeypatch.setenv("NO_PROXY", exceptions)
    keys = {"access_key": principal.access_key, "secret_key": principal.secret_key, "region": "eu-west-1"}
    options = dict.fromkeys(FEATURE.argument_spec) | keys | {"endpoint_url": aws.url, "role_session_name": "test"}
    assert FEATURE.run(options, False, False)["errors"] == []
    assert bool(http_proxy.passed) == (not is_direct)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("is_oldest", "exceptions", "is_direct"),
    [(False, ".svc,127.0.0.0/8", True), (True, ".svc,127.0.0.0/8", True), (True, ".svc", False)],
    ids=["newest", "oldest", "oldest through the proxy"],
)
def test_a_playbook_reaches_aws_through_the_proxy_and_the_api_server_as_no_proxy_says(
    ansible: Ansible,
    cluster: Cluster,
    aws: AWSEndpoint,
    principal: Principal,
    http_proxy: HTTPProxy,
    is_oldest: bool,
    exceptions: str,
    is_direct: bool,
) -> None:
    """With the oldest versions that are supported too, which look at none of these variables for the API server."""
    (own,) = cluster.namespaces("own")
    cluster.create(pull_secret("app", principal, namespace=own))
    endpoint = aws.url.replace("127.0.0.1", "aws.example.com")
    variables = {"HTTP_PROXY": http_proxy.url, "https_proxy": http_proxy.url, "NO_PROXY": exceptions}
    commands = ansible.oldest() if is_oldest else ansible
    run = commands.reconcile(KUBE_ECR_AWS_ENDPOINT_URL=endpoint, **variables)
    assert run.status == 0, run.output
    assert cluster.secret(own)
    api_server = ("CONNECT", cluster.plane.url.removeprefix("https://"))
    assert set(http_proxy.passed) - {api_server} == {("POST", endpoint.removeprefix("http://"))}
    assert (api_server in http_proxy.passed) == (not is_direct)
