"""spec.podInjection: which pull secrets the API server adds to which pods, by the policies of the chart.

Which namespaces a resource serves is decided by CEL here, and by `Targets` in the collection and the runner: one table
is run against both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.targets import Targets
from tests.support.cluster.objects import CLUSTER, NAMESPACED, Cluster
from tests.support.harness.ansible import Ansible
from tests.support.harness.helm import POLICIES, pod_policies, render, run_helm

REGION = "eu-west-1"
OWN = f"111122223333.dkr.ecr.{REGION}.amazonaws.com"
LABEL = {"made-for": "pod-injection"}

# Namespaces by name, with their labels.
NAMESPACES: dict[str, dict[str, str]] = {
    "pi-a": {},
    "pi-b": {"team": "web", "tier": "front"},
    "pi-bb": {"team": "web", "tier": ""},
    "pi-c-1": {"team": "data", "example.com/ecr": "yes"},
    "pi-c-12": {"team": "data", "tier": "back"},
    "pi-sandbox": {"team": "web"},
}


def _labels(**labels: str) -> dict[str, object]:
    return {"namespaceSelector": {"matchLabels": labels}}


def _expressions(*conditions: tuple[str, str, list[str] | None]) -> dict[str, object]:
    listed = [
        {"key": key, "operator": operator, **({} if values is None else {"values": values})}
        for key, operator, values in conditions
    ]
    return {"namespaceSelector": {"matchExpressions": listed}}


SPECS: list[dict[str, object]] = [
    {"namespaces": ["pi-a"]},
    {"namespaces": ["pi-a", "pi-b", "pi-absent"]},
    {"namespaces": ["pi-b*"]},
    {"namespaces": ["pi-b?"]},
    {"namespaces": ["*-c-*"]},
    {"namespaces": ["pi-c-?"]},
    {"namespaces": ["*"]},
    {"namespaces": ["?i-a*a"]},
    {"namespaces": ["pi"]},
    {"namespaces": ["i-a", "pi-aa"]},
    {"namespaces": ["*"], "excludeNamespaces": ["pi-sandbox"]},
    {"namespaces": ["*"], "excludeNamespaces": ["pi-b*", "pi-?"]},
    {"namespaces": ["pi-a"], "excludeNamespaces": ["pi-a"]},
    {"namespaceSelector": {}},
    {"namespaceSelector": {}, "excludeNamespaces": ["*"]},
    _labels(team="web"),
    _labels(team="web", tier="front"),
    _labels(tier=""),
    _labels(**{"kubernetes.io/metadata.name": "pi-c-1"}),
    _labels(**{"example.com/ecr": "yes"}),
    {**_labels(team="web"), "excludeNamespaces": ["*sandbox"]},
    {**_labels(team="web"), "namespaces": ["pi-a", "pi-c-1?"]},
    _expressions(("team", "In", ["web", "data"])),
    _expressions(("team", "NotIn", ["web"])),
    _expressions(("tier", "Exists", None)),
    _expressions(("tier", "DoesNotExist", None)),
    _expressions(("team", "Exists", []), ("tier", "NotIn", ["front", ""])),
    {
        "namespaceSelector": {
            "matchLabels": {"team": "web"},
            "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}],
        }
    },
]


def resource(kind: str, name: str, **spec: object) -> dict:
    """Return a resource without an identity: nothing serves it."""
    metadata = {"name": name, "labels": LABEL}
    if namespace := spec.pop("namespace", ""):
        metadata["namespace"] = namespace
    full = {"secretName": name, "awsAccess": {"region": REGION}, "podInjection": "Always", **spec}
    return {"apiVersion": "aws.zakariaamine.com/v1alpha2", "kind": kind, "metadata": metadata, "spec": full}


def pod(namespace: str, image: str = "app", metadata: Mapping[str, object] | None = None, **spec: object) -> dict:
    """Return a pod; spec has more of what it may have."""
    whole = {"containers": [{"name": "app", "image": image}], **spec}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "namespace": namespace, **(metadata or {})},
        "spec": whole,
    }


class Policies:
    """The policies in a control plane, and the resources that a test gives them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def create(self, *resources: dict) -> None:
        """Create resources, and wait until the API server counts them in."""
        listed = {"apiVersion": "v1", "kind": "List", "items": resources}
        self.cluster.kubectl("create", "-f", "-", stdin=json.dumps(listed))

    def secrets_of(self, wanted: dict) -> list[str]:
        """Return the names of the pull secrets of a pod that is created, without storing it."""
        text = self.cluster.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(wanted))
        return [each.get("name", "") for each in json.loads(text)["spec"].get("imagePullSecrets", [])]

    def wait(self, wanted: dict, *names: str) -> None:
        """Wait until a pod gets these pull secrets, and no others."""
        self.cluster.wait(lambda: sorted(self.secrets_of(wanted)) == sorted(names), f"the pod gets {names}")


@pytest.fixture(scope="module")
def rendered() -> list[dict]:
    return pod_policies(render(None, POLICIES))


@pytest.fixture
def policies(cluster: Cluster, rendered: list[dict]) -> Iterator[Policies]:
    made = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        for name, labels in NAMESPACES.items()
    ]
    cluster.kubectl("apply", "-f", "-", stdin=yaml.dump_all(made))
    for name in NAMESPACES:
        cluster.wait_account(name)
    cluster.kubectl("create", "-f", "-", stdin=yaml.dump_all(rendered))
    try:
        yield Policies(cluster)
    finally:
        selector = ",".join(f"{key}={value}" for key, value in LABEL.items())
        cluster.kubectl("delete", "-f", "-", stdin=yaml.dump_all(rendered))
        cluster.kubectl("delete", "caeps", "-l", selector)
        cluster.kubectl("delete", "aeps", "-A", "-l", selector)


@pytest.mark.slow
def test_the_api_server_and_the_runner_agree_on_the_namespaces(policies: Policies) -> None:
    specs = {f"case-{number}": spec for number, spec in enumerate(SPECS)}
    policies.create(*(resource(CLUSTER, name, **spec) for name, spec in specs.items()))
    wanted = {
        namespace: {
            name
            for name, spec in specs.items()
            if Targets.parse(spec).matches(namespace, {**labels, "kubernetes.io/metadata.name": namespace})
        }
        for namespace, labels in NAMESPACES.items()
    }
    assert set().union(*wanted.values()) != set(specs), "some match nothing"
    policies.wait(pod("pi-a"), *wanted["pi-a"])
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda namespace: set(policies.secrets_of(pod(namespace))), NAMESPACES)
        assert dict(zip(NAMESPACES, found, strict=True)) == wanted


ECR, PUBLIC, PROXY = {"podInjection": "Ecr"}, "public.ecr.aws", "registry.example.com:5000"
OTHER = "444455556666.dkr.ecr.us-east-1.amazonaws.com"
ONE = {"namespaces": ["pi-a"]}
IMAGES: list[tuple[str, bool, bool]] = [
    # An image, whether it is of an own registry in the region, and whether of one of the list below.
    (f"{OWN}/team/app:1", True, False),
    (f"{OWN}/app@sha256:{'0' * 64}", True, False),
    ("444455556666.dkr.ecr.eu-west-1.amazonaws.com/app", True, False),
    (f"999988887777.dkr.ecr.{REGION}.amazonaws.com.cn/app", True, False),
    (f"{OTHER}/app:1", False, True),
    (f"{PUBLIC}/docker/library/busybox", False, True),
    (f"{PROXY}/app", False, True),
    ("registry.example.com/app", False, False),
    ("app", False, False),
    (f"docker.io/{OWN}/app", False, False),
    # It only looks like one. The login is of another host, so kubelet sends it nowhere.
    (f"{OWN}.example.com/app", True, False),
    (f"x{OTHER}/app", False, False),
]


def test_only_pods_with_an_image_of_its_registries_get_the_secret(policies: Policies) -> None:
    policies.create(
        resource(CLUSTER, "own", **ECR, **ONE),
        resource(CLUSTER, "empty", **ECR, **ONE, registries=[]),
        resource(CLUSTER, "listed", **ECR, **ONE, registries=[OTHER, PUBLIC, PROXY]),
        resource(CLUSTER, "always", **ONE),
    )
    policies.wait(pod("pi-a", f"{OWN}/app"), "always", "own", "empty")
    wanted = {
        image: {"always"} | ({"own", "empty"} if own else set()) | ({"listed"} if listed else set())
        for image, own, listed in IMAGES
    }
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda image: set(policies.secrets_of(pod("pi-a", image))), wanted)
        assert dict(zip(wanted, found, strict=True)) == wanted
    image = f"{OWN}/app"
    for wherever in (
        pod("pi-a", initContainers=[{"name": "init", "image": image}]),
        pod("pi-a", initContainers=[{"name": "sidecar", "image": image, "restartPolicy": "Always"}]),
        pod("pi-a", containers=[{"name": "a", "image": "app"}, {"name": "b", "image": image}]),
        pod("pi-a", volumes=[{"name": "data", "image": {"reference": image}}]),
        pod("pi-a", image, os={"name": "windows"}),
        pod("pi-a", image, {"generateName": "app-", "name": None}),
    ):
        assert set(policies.secrets_of(wherever)) == {"always", "own", "empty"}


@pytest.mark.slow
def test_what_a_pod_names_itself_comes_first_and_once(policies: Policies) -> None:
    policies.create(resource(CLUSTER, "ours", **ONE))
    policies.wait(pod("pi-a"), "ours")
    policies.cluster.core.patch_namespaced_service_account(
        "default", "pi-a", {"imagePullSecrets": [{"name": "account"}]}
    )
    policies.wait(pod("pi-a"), "account", "ours")
    for named, wanted in (
        ([], ["account", "ours"]),
        (["z", "a"], ["z", "a", "ours"]),
        (["ours"], ["ours"]),
        (["ours", "z"], ["ours", "z"]),
    ):
        own = [{"name": name} for name in named]
        assert policies.secrets_of(pod("pi-a", imagePullSecrets=own)) == wanted
    policies.cluster.core.patch_namespaced_service_account("default", "pi-a", {"imagePullSecrets": None})


def test_a_resource_counts_for_the_next_pod_and_one_that_goes_no_more(policies: Policies) -> None:
    policies.create(
        resource(CLUSTER, "first", **ONE),
        resource(CLUSTER, "never", **ONE, podInjection="Never"),
        resource(CLUSTER, "unset", **ONE, podInjection=None),
        resource(CLUSTER, "second", **ONE),
    )
    policies.wait(pod("pi-a"), "first", "second")
    patch = {"metadata": {"finalizers": ["example.com/stays"]}}
    policies.cluster.kubectl("patch", "caeps", "second", "--type=merge", "-p", json.dumps(patch))
    policies.cluster.kubectl("delete", "caeps", "second", "--wait=false")
    policies.wait(pod("pi-a"), "first")
    policies.cluster.kubectl("patch", "caeps", "second", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    policies.cluster.kubectl("patch", "caeps", "first", "--type=merge", "-p", '{"spec":{"podInjection":"Ecr"}}')
    policies.wait(pod("pi-a"))


def test_a_namespaced_resource_serves_the_pods_of_its_own_namespace(policies: Policies) -> None:
    policies.create(
        resource(NAMESPACED, "tenant", namespace="pi-b"), resource(NAMESPACED, "ecr", namespace="pi-b", **ECR)
    )
    policies.wait(pod("pi-b"), "tenant")
    assert set(policies.secrets_of(pod("pi-b", f"{OWN}/app"))) == {"tenant", "ecr"}
    assert policies.secrets_of(pod("pi-bb", f"{OWN}/app")) == []


@pytest.mark.slow
def test_pods_and_namespaces_that_are_left_alone(policies: Policies) -> None:
    everywhere = {"namespaceSelector": {}}
    policies.create(resource(CLUSTER, "ours", **everywhere), resource(NAMESPACED, "tenant", namespace="kube-public"))
    policies.wait(pod("pi-a"), "ours")
    mirror = {"annotations": {"kubernetes.io/config.mirror": "x"}, "name": "app"}
    assert policies.secrets_of(pod("pi-a", metadata=mirror, nodeName="node")) == []
    disabled = {"aws.zakariaamine.com/inject": "disabled"}
    assert policies.secrets_of(pod("pi-a", metadata={"labels": disabled})) == []
    assert policies.secrets_of(pod("kube-public")) == []
    policies.cluster.kubectl("label", "namespace", "pi-a", "aws.zakariaamine.com/inject=disabled")
    policies.wait(pod("pi-a"))
    policies.cluster.kubectl("label", "namespace", "pi-a", "aws.zakariaamine.com/inject-")


@pytest.mark.slow
def test_a_chart_that_lists_pull_secrets_is_upgraded_as_if_there_were_no_resource(
    policies: Policies, tmp_path: Path
) -> None:
    """helm 4 applies the list of a service account as one value: an entry of ours in it would be a conflict."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": "web", "version": "1.0.0"}))
    (tmp_path / "templates" / "account.yaml").write_text(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: web\nimagePullSecrets: {{ toJson .Values.pull }}\n"
    )

    def upgrade(*names: str) -> list[str]:
        values = {"pull": [{"name": name} for name in names]}
        options = ("--namespace=pi-a", "--server-side=true")
        kubeconfig = policies.cluster.plane.kubeconfig
        run_helm("upgrade", "--install", "web", str(tmp_path), *options, values=values, kubeconfig=kubeconfig)
        return policies.secrets_of(pod("pi-a", serviceAccountName="web"))

    policies.create(resource(CLUSTER, "ours", **ONE))
    policies.wait(pod("pi-a"), "ours")
    assert upgrade("regcred") == ["regcred", "ours"]
    assert upgrade("regcred", "other") == ["regcred", "other", "ours"]
    run_helm("uninstall", "web", "--namespace=pi-a", kubeconfig=policies.cluster.plane.kubeconfig)


@pytest.mark.slow
def test_the_inventory_tells_where_no_policy_is_installed(
    cluster: Cluster, ansible: Ansible, rendered: list[dict]
) -> None:
    (team,) = cluster.namespaces("team")
    asking = resource(NAMESPACED, "asks", namespace=team)
    cluster.kubectl(
        "create",
        "-f",
        "-",
        stdin=yaml.dump_all([asking, resource(NAMESPACED, "asks-not", namespace=team, podInjection="Never")]),
    )
    listing = ["ansible-inventory", "-i", ansible.inventory({"namespaces": [team]}), "--list"]
    words = "no MutatingAdmissionPolicy for AWSECRImagePullSecret is installed"
    text = " ".join(ansible.run(*listing).output.split())
    assert f"AWSECRImagePullSecret/{team}/asks: spec.podInjection has no effect, since {words}" in text
    assert "asks-not: " not in text
    cluster.kubectl("create", "-f", "-", stdin=yaml.dump_all(rendered))
    try:
        assert words not in " ".join(ansible.run(*listing).output.split())
    finally:
        cluster.kubectl("delete", "-f", "-", stdin=yaml.dump_all(rendered))


# As large as the definitions allow, and as slow as a glob can be.
LARGEST = {
    "namespaces": [f"{'*?' * 28}{number:04}*" for number in range(2000)],
    "excludeNamespaces": [f"{'?*' * 28}{number:04}*" for number in range(2000)],
    "namespaceSelector": {
        "matchExpressions": [
            {"key": f"key-{number}", "operator": "NotIn", "values": [f"{value:063}" for value in range(100)]}
            for number in range(32)
        ]
    },
    "registries": [f"{number:0>12}.dkr.ecr.{REGION}.amazonaws.com" for number in range(100)],
}


@pytest.mark.slow
def test_the_largest_resource_stays_within_the_limits_of_cel(policies: Policies) -> None:
    """The API server limits what an expression may cost; one that exceeds it is passed over in silence."""
    images = [{"name": f"c-{number}", "image": f"{'x' * 200}/{number}"} for number in range(30)]
    images[-1]["image"] = f"{99:0>12}.dkr.ecr.{REGION}.amazonaws.com/app"
    policies.create(resource(CLUSTER, "largest", **{**LARGEST, **ECR}))
    policies.wait(pod("pi-a", containers=images), "largest")
