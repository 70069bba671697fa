"""In a pod, runner and collection reach the API server without the official client, which takes much memory."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kubernetes.client import Configuration
from kubernetes.config import kube_config

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster import client
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError as ModuleError
from kube_ecr_runner.cluster import client as kube
from kube_ecr_runner.cluster import sources
from kube_ecr_runner.contract.kinds import NAMESPACED_KIND
from tests.support.aws.endpoint import Principal
from tests.support.cluster.api_proxy import APIProxy
from tests.support.cluster.http_proxy import HTTPProxy
from tests.support.cluster.objects import NAMESPACED, Cluster, pull_secret
from tests.support.cluster.pki import CertificateAuthority
from tests.support.cluster.pod import Pod
from tests.support.cluster.tls_front import TLSFront
from tests.support.harness.ansible import Ansible

pytestmark = pytest.mark.usefixtures("own_files")
CA = CertificateAuthority("kubernetes", has_identifiers=False)
OTHER = CertificateAuthority("other", has_identifiers=False)
HEAVY = ("kubernetes", "pydantic", "oauthlib", "requests", "websocket")

# Programs that list the custom resources, and print their names and which of the libraries named they have loaded.
END = """
print(json.dumps([names, [name for name in sys.argv[2].split(",") if name in sys.modules]]))
"""
RUNNER = f"""
import json, sys
from kube_ecr_runner import cli
from kube_ecr_runner.cluster import client, sources
from kube_ecr_runner.contract import service_account
service_account.TOKEN_FILE, service_account.SERVICE_ACCOUNT_CA = sys.argv[1] + "/token", sys.argv[1] + "/ca.crt"
pages = client.Cluster.connect(sys.argv[3] or None, None, silence=90).list_pages(
    sources.resources_of("{NAMESPACED_KIND}")
)
names = [each["metadata"]["name"] for page in pages for each in page["items"]]
{END}"""
# As the run that waits: it loads all that a run needs, the inventory, and the plugins of the tasks.
COLLECTION = f"""
import json, sys
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins import loader
loader.init_plugin_loader()
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract import service_account
from ansible_collections.kube_ecr.secrets.plugins.plugin_utils import _standby
service_account.TOKEN_FILE, service_account.SERVICE_ACCOUNT_CA = sys.argv[1] + "/token", sys.argv[1] + "/ca.crt"
_standby._load()
for name in ("ecr_reconcile", "ecr_pull_secret", "ecr_pull_secret_info"):
    assert loader.action_loader.get("kube_ecr.secrets." + name, class_only=True)
path = sys.argv[1] + "/inventory.yml"
with open(path, "w") as file:
    json.dump({{"plugin": "kube_ecr.secrets.pull_secrets", "kubeconfig": sys.argv[3] or None}}, file)
hosts = InventoryManager(DataLoader(), sources=[path]).get_hosts()
names = [each["owner"]["name"] for host in hosts for each in host.vars["pull_secrets"]]
{END}"""

List = Callable[[], list[str]]


def list_as_runner() -> list[str]:
    pages = kube.Cluster.connect(None, None, silence=90).list_pages(sources.resources_of(NAMESPACED_KIND))
    return [each["metadata"]["name"] for page in pages for each in page["items"]]


def list_as_module() -> list[str]:
    client._connect.cache_clear()
    return [each["metadata"]["name"] for each in client.connect({}).list_resources(NAMESPACED)]


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    """A pod that trusts CA, without the address of the API server."""
    pod = Pod(tmp_path, monkeypatch)
    pod.token.write_text("token")
    pod.ca.write_bytes(CA.pem)
    return pod


@pytest.fixture
def front(proxy: APIProxy, pod: Pod) -> Iterator[TLSFront]:
    """The API server as the pod sees it."""
    with TLSFront(urlsplit(proxy.url).port or 0, CA.server("api", ["127.0.0.1"])) as front:
        pod.reach(front.url)
        yield front


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "is_oldest"),
    [(RUNNER, False), (COLLECTION, False), (COLLECTION, True)],
    ids=["runner", "collection", "collection, oldest"],
)
@pytest.mark.parametrize("is_told", [False, True], ids=["pod", "kubeconfig"])
def test_the_official_client_is_loaded_for_a_kubeconfig_only(
    ansible: Ansible,
    cluster: Cluster,
    principal: Principal,
    proxy: APIProxy,
    front: TLSFront,
    tmp_path: Path,
    program: str,
    is_oldest: bool,
    is_told: bool,
) -> None:
    (own,) = cluster.namespaces("own")
    cluster.create(pull_secret("app", principal, namespace=own))
    server = urlsplit(front.url)
    environment = {name: value for name, value in ansible.environment().items() if name != "K8S_AUTH_KUBECONFIG"}
    environment |= {"KUBERNETES_SERVICE_HOST": str(server.hostname), "KUBERNETES_SERVICE_PORT": str(server.port)}
    arguments = [str(tmp_path), ",".join(HEAVY), cluster.kubeconfig if is_told else ""]
    commands = ansible.oldest() if is_oldest else ansible
    command = [str(commands.bin_dir / "python"), "-c", program, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    names, loaded = json.loads(done.stdout)
    assert names == ["app"], done.stderr
    assert bool(proxy.requests) is not is_told
    assert ("kubernetes" in loaded) if is_told else loaded == []


@pytest.mark.parametrize("list_resources", [list_as_runner, list_as_module])
@pytest.mark.parametrize(
    ("variable", "exceptions", "is_direct"),
    [
        ("HTTPS_PROXY", None, False),
        ("HTTPS_PROXY", "10.0.0.0/8,.svc", False),
        ("HTTPS_PROXY", ".svc, 127.0.0.0/8", True),
        ("all_proxy", None, False),
        ("HTTP_PROXY", None, True),
    ],
)
def test_the_environment_of_a_pod_names_a_proxy(
    front: TLSFront,
    monkeypatch: pytest.MonkeyPatch,
    list_resources: List,
    variable: str,
    exceptions: str | None,
    is_direct: bool,
) -> None:
    with HTTPProxy() as http_proxy:
        monkeypatch.setenv(variable, http_proxy.url)
        if exceptions:
            monkeypatch.setenv("NO_PROXY", exceptions)
        assert list_resources() == []
    place = front.url.removeprefix("https://")
    assert set(http_proxy.passed) == (set() if is_direct else {("CONNECT", place)})


@pytest.mark.parametrize("list_resources", [list_as_runner, list_as_module])
def test_the_proxy_of_a_pod_may_speak_tls(
    front: TLSFront, monkeypatch: pytest.MonkeyPatch, list_resources: List
) -> None:
    with HTTPProxy() as plain:
        port = urlsplit(plain.url).port or 0
        with TLSFront(port, CA.server("proxy", ["127.0.0.1"])) as way:
            monkeypatch.setenv("HTTPS_PROXY", way.url)
            assert list_resources() == []
        assert plain.passed == [("CONNECT", front.url.removeprefix("https://"))]
        with TLSFront(port, OTHER.server("proxy", ["127.0.0.1"])) as way:
            monkeypatch.setenv("HTTPS_PROXY", way.url)
            words = f"the TLS connection to the proxy {way.url} failed: unable to get local issuer certificate"
            assert words in told(list_resources)


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.DependencyWarning")
@pytest.mark.parametrize("list_resources", [list_as_runner, list_as_module])
def test_what_a_pod_cannot_use_is_told(
    front: TLSFront, pod: Pod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, list_resources: List
) -> None:
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    for proxy in ("socks5://user:canary@127.0.0.1:9", "ftp://user:canary@127.0.0.1:9"):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        assert told(list_resources).endswith(" cannot be used; check HTTPS_PROXY and NO_PROXY")
    monkeypatch.delenv("HTTPS_PROXY")
    pod.ca.write_text("canary")
    assert "the CA in the service account of this pod cannot be read (no certificate or crl" in told(list_resources)
    pod.ca.write_text("")
    assert f"{pod.ca} is empty; set automountServiceAccountToken: true" in told(list_resources)
    pod.ca.write_bytes(CA.pem)
    pod.token.write_bytes(b"\xff\xe4")
    assert "the bearer token contains characters that an HTTP header cannot carry; check" in told(list_resources)
    pod.token.unlink()
    assert f"{pod.token}: No such file or directory; set automountServiceAccountToken: true" in told(list_resources)


def told(list_resources: List) -> str:
    with pytest.raises((kube.KubernetesError, ModuleError)) as caught:
        list_resources()
    assert caught.value.reason in ("NoCluster", "Unreachable")
    assert "canary" not in str(caught.value)
    return str(caught.value)


def test_modules_in_a_pod_without_a_token_look_for_a_kubeconfig(
    proxy: APIProxy, front: TLSFront, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of kubernetes.core do."""
    pod.token.unlink()
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(proxy.kubeconfig))
    monkeypatch.setattr(Configuration, "_default", None)
    assert list_as_module() == []
    assert client.connect({})._connection.host == proxy.url
