"""The manifests, moved and renamed by kustomize as docs/install.md shows: everything still finds everything else."""

from __future__ import annotations

import json
import re
import shutil
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


def repository(folder: Path, tag: str) -> str:
    """Make a git repository with the base as it is in this checkout, under that tag; return its address."""
    base = yaml.safe_load((ROOT / "kustomization.yaml").read_text())
    for name in ("kustomization.yaml", *base["resources"]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    author = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "Release"], ["tag", tag]):
        subprocess.run(["git", "-C", folder, *command], check=True)
    return f"file://{folder}/.git?ref={tag}"


def kustomize(folder: Path, **more: object) -> list[dict]:
    """Return what kustomize makes of the base and the manifests of this checkout, with what is shown and more."""
    base, policies = KUSTOMIZATION["resources"]
    address, tag = base.split("?ref=")
    assert address == "https://github.com/kube-ecr/secrets"
    resources = [repository(folder / "secrets", tag), Path(policies).name]
    shutil.copy(MANIFESTS / Path(policies).name, folder)
    (folder / "policies.yaml").write_text(json.dumps(POLICIES))
    (folder / "kustomization.yaml").write_text(json.dumps({**KUSTOMIZATION, "resources": resources, **more}))
    done = subprocess.run([kubectl_path(), "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
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


def test_image_and_role_are_those_of_the_overlay(objects: list[dict]) -> None:
    (container,) = the(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    (image,) = KUSTOMIZATION["images"]
    assert container["image"] == f"{image['newName']}:{image['newTag']}"
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/ecr-pull"}
    assert the(objects, "ServiceAccount")["metadata"]["annotations"] == role


def test_the_api_server_takes_all_of_it(objects: list[dict], cluster: Cluster) -> None:
    """Also what has no namespace, to which kustomize gives one."""
    cluster.make_namespace("platform")
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    options = ["--server-side", "--dry-run=server", "--validate=strict", "-o", "name"]
    assert len(cluster.kubectl("apply", *options, "-f", "-", stdin=text).split()) == len(objects) == 17
