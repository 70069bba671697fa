"""The manifests, moved and renamed by kustomize as docs/install.md shows: everything still finds everything else."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.support.cluster.control_plane import kubectl_path
from tests.support.cluster.objects import Cluster
from tests.support.harness.helm import NAMESPACE, process_of, the

MANIFESTS = ROOT / "roles" / "runner" / "files"
(KUSTOMIZATION, POLICIES) = (
    yaml.safe_load(block)
    for block in re.findall(
        r"^```yaml\n(# (?:kustomization|policies)\.yaml.*?)^```$",
        (ROOT / "docs" / "install.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
)


def kustomize(folder: Path, **more: object) -> list[dict]:
    """Return what kustomize makes of the manifests of this checkout, with what is shown and more."""
    names = [Path(address).name for address in KUSTOMIZATION["resources"]]
    for name in names:
        (folder / name).write_text((MANIFESTS / name).read_text())
    (folder / "policies.yaml").write_text(json.dumps(POLICIES))
    (folder / "kustomization.yaml").write_text(json.dumps({**KUSTOMIZATION, "resources": names, **more}))
    done = subprocess.run([kubectl_path(), "kustomize", folder], capture_output=True, text=True, check=True)
    return list(yaml.load_all(done.stdout, yaml.CSafeLoader))


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    labels = [{"pairs": {"team": "platform"}, "includeSelectors": True, "includeTemplates": True}]
    return kustomize(tmp_path_factory.mktemp("overlay"), nameSuffix="-b", labels=labels)


def names(objects: list[dict], kind: str) -> set[str]:
    return {each["metadata"]["name"] for each in objects if each["kind"] == kind}


def test_every_name_leads_to_an_object(objects: list[dict]) -> None:
    (account,) = names(objects, "ServiceAccount")
    assert account == "acme-kube-ecr-runner-b"
    subject = {"kind": "ServiceAccount", "name": account, "namespace": "platform"}
    bindings = [each for each in objects if "roleRef" in each]
    assert len(bindings) == 2
    for each in bindings:
        assert each["subjects"] == [subject]
        assert each["roleRef"]["name"] in names(objects, each["roleRef"]["kind"])
    policies = [each["spec"]["policyName"] for each in objects if each["kind"] == "MutatingAdmissionPolicyBinding"]
    assert sorted(policies) == sorted(names(objects, "MutatingAdmissionPolicy"))
    assert len(policies) == 2
    template = the(objects, "Deployment")["spec"]["template"]
    assert template["spec"]["serviceAccountName"] == account
    assert the(objects, "Service")["spec"]["selector"].items() <= template["metadata"]["labels"].items()


def texts(node: object) -> Iterator[str]:
    """Yield all texts of an object, but those of labels."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for each in node:
            yield from texts(each)
    elif isinstance(node, dict):
        for name, each in node.items():
            yield from () if "abels" in name else texts(each)


def test_nothing_names_the_namespace_where_it_was(objects: list[dict]) -> None:
    assert names(objects, "Namespace") == {"platform"}
    assert [text for text in texts(objects) if re.match(rf"{NAMESPACE}(/|$)", text)] == []


def test_the_lease_is_where_the_pod_is_and_the_role_allows_it(objects: list[dict]) -> None:
    (container,) = the(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    _, env = process_of(container, {"metadata": {"namespace": "platform", "name": "pod", "uid": "0f9c"}})
    namespace, name = env["KUBE_ECR_LEASE"].split("/")
    assert namespace == the(objects, "Role")["metadata"]["namespace"] == "platform"
    assert [name] in [rule.get("resourceNames") for rule in the(objects, "Role")["rules"]]


def test_the_api_server_takes_what_is_of_the_whole_cluster(objects: list[dict], cluster: Cluster) -> None:
    """kustomize gives a namespace to the policies, which have none."""
    whole = [each for each in objects if each["kind"].startswith(("Cluster", "Mutating"))]
    assert len(whole) == 8
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": whole})
    options = ["--server-side", "--dry-run=server", "--validate=strict", "-o", "name"]
    assert len(cluster.kubectl("apply", *options, "-f", "-", stdin=text).split()) == len(whole)
