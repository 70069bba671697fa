"""What the tests share: one control plane, one AWS endpoint and one registry a run, started when first asked for."""

from __future__ import annotations

import json
import sysconfig
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from kubernetes.config import kube_config

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.api_proxy import APIProxy
from tests.support.cluster.control_plane import ControlPlane
from tests.support.cluster.objects import Cluster
from tests.support.harness.ansible import Ansible
from tests.support.registry.server import Registry

ROOT = Path(__file__).parent.parent
# Besides 111122223333's in eu-west-1: another account, another region, ECR Public, a name in front of ECR.
MORE_HOSTS = (
    "444455556666.dkr.ecr.eu-west-1.amazonaws.com",
    "111122223333.dkr.ecr.eu-central-1.amazonaws.com",
    "public.ecr.aws",
    "registry.example.com",
)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to test what is not the code of the checkout."""
    if changed := _not_installed():
        command = "make install-collection install-runner"
        raise pytest.UsageError(f"{changed} differs from the installed copy, which the tests use: run '{command}'")


def _not_installed() -> Path | None:
    """Return a file of the checkout that is not installed as it is, None if all are."""
    collection = ROOT / ".venv" / "collections" / "ansible_collections" / "kube_ecr" / "secrets"
    packages = Path(sysconfig.get_path("purelib"))
    for source, installed in ((ROOT / "plugins", collection / "plugins"), (ROOT / "runner" / "src", packages)):
        for path in source.rglob("*.py"):
            copy = installed / path.relative_to(source)
            if not copy.exists() or copy.read_bytes() != path.read_bytes():
                return path.relative_to(ROOT)
    return None


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A control plane with our CRDs."""
    with ControlPlane() as plane:
        plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield plane


@pytest.fixture
def cluster(control_plane: ControlPlane) -> Iterator[Cluster]:
    """The control plane, cleared of the test's custom resources and namespaces afterwards."""
    cluster = Cluster(control_plane)
    yield cluster
    cluster.clear()


@pytest.fixture(scope="session")
def _endpoint() -> Iterator[AWSEndpoint]:
    with AWSEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def aws(_endpoint: AWSEndpoint) -> AWSEndpoint:
    """The AWS endpoint, up, with no fault, no latency, tokens of 12 hours, no role, no issuer and no calls so far."""
    _endpoint.start()
    _endpoint.heal()
    _endpoint.token_life = timedelta(hours=12)
    _endpoint.latency = 0.0
    _endpoint.forget_calls()
    _endpoint.forget_trust()
    return _endpoint


@pytest.fixture
def principal(aws: AWSEndpoint) -> Principal:
    """An IAM principal that may get tokens."""
    return aws.principal()


@pytest.fixture(scope="session")
def _registry(_endpoint: AWSEndpoint) -> Iterator[Registry]:
    with Registry(_endpoint.url, more_hosts=MORE_HOSTS) as registry:
        yield registry


@pytest.fixture
def registry(_registry: Registry, aws: AWSEndpoint) -> Registry:
    """A registry that believes the AWS endpoint."""
    return _registry


@pytest.fixture
def ansible(cluster: Cluster, aws: AWSEndpoint) -> Iterator[Ansible]:
    """Ansible's commands, with the control plane as their cluster and the AWS endpoint as that of resources."""
    # pytest's tmp_path is too long for the Unix sockets that Ansible makes below its temporary directory.
    with tempfile.TemporaryDirectory() as home:
        env = {"K8S_AUTH_KUBECONFIG": cluster.kubeconfig, "KUBE_ECR_AWS_ENDPOINT_URL": aws.url}
        yield Ansible(Path(home), env)


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[APIProxy]:
    """A proxy in front of the API server, which passes on everything until the test says otherwise."""
    with APIProxy(Path(cluster.kubeconfig)) as proxy:
        yield proxy
    proxy.close()


@pytest.fixture
def own_files(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that read kubeconfigs in this process: our code removes what the official client wrote for it."""
    monkeypatch.setattr(kube_config, "_temp_files", {})


@pytest.fixture
def loose_crds(cluster: Cluster) -> Iterator[None]:
    """CRDs without our rules, as those of the Go operator are: what is in a cluster may have come through them."""
    for path in (ROOT / "crds").glob("*.yaml"):
        cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(_loose(yaml.safe_load(path.read_text()))))
    yield
    cluster.clear()
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))


def _loose(node: object) -> object:
    if isinstance(node, dict):
        rules = ("x-kubernetes-validations", "maxLength", "minItems")
        return {name: _loose(value) for name, value in node.items() if name not in rules}
    return [_loose(each) for each in node] if isinstance(node, list) else node
