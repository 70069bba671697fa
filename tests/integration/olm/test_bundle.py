"""The OLM bundle: OLM's own libraries find nothing in it, and what it says is what chart and definitions say."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.support.cluster.objects import Cluster
from tests.support.harness.chart_values import DIGEST
from tests.support.harness.helm import render
from tests.support.harness.olm import findings, manifest
from tests.tools.olm.__main__ import main
from tests.tools.olm.bundle import write
from tests.tools.olm.rights import beyond, rules_of

CSV = "manifests/kube-ecr-runner.clusterserviceversion.yaml"
CRD = "manifests/awsecrimagepullsecrets.aws.zakariaamine.com.crd.yaml"
ANNOTATIONS = "metadata/annotations.yaml"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("olm") / "bundle"
    write(directory)
    return directory


def in_csv(change: Callable[[dict], object]) -> Callable[[Path], object]:
    """Return what edits the ClusterServiceVersion of a bundle."""

    def edit(bundle: Path) -> None:
        content = yaml.safe_load((bundle / CSV).read_text())
        change(content)
        (bundle / CSV).write_text(yaml.safe_dump(content))

    return edit


def another(kind: str, api: str) -> Callable[[Path], object]:
    """Return what puts one more object into a bundle."""
    text = json.dumps({"apiVersion": api, "kind": kind, "metadata": {"name": "kube-ecr-runner"}})
    return lambda bundle: (bundle / "manifests" / "more.yaml").write_text(text)


# What is broken, by which check it is found, and what that says.
BROKEN: list[tuple[Callable[[Path], object], str, str]] = [
    (lambda bundle: (bundle / CRD).unlink(), "default", "owned CRD"),
    (lambda bundle: (bundle / CRD).write_text("kind: CustomResourceDefinition"), "content", ""),
    (lambda bundle: shutil.rmtree(bundle / "metadata"), "format", "metadata"),
    (lambda bundle: (bundle / ANNOTATIONS).write_text("annotations: {a: b}"), "format", "Missing annotation"),
    (another("MutatingAdmissionPolicy", "admissionregistration.k8s.io/v1"), "content", "not supported type"),
    (another("ServiceAccount", "v1"), "default", "invalid service account"),
    (in_csv(lambda csv: csv["spec"].pop("installModes")), "default", "install modes not found"),
    (in_csv(lambda csv: csv["spec"].update(minKubeVersion="1.29")), "operatorhub/v2", "MinKubeVersion"),
    (in_csv(lambda csv: csv["spec"].pop("icon")), "operatorhub/v2", "Icon"),
    (in_csv(lambda csv: csv["metadata"]["annotations"].update({"alm-examples": "[]"})), "default", "example"),
    (in_csv(lambda csv: csv["metadata"]["annotations"].update(categories="Secrets")), "standardcategories", "Secrets"),
    (in_csv(lambda csv: csv["spec"].pop("version")), "catalog", ""),
]


@pytest.mark.slow
def test_olms_libraries_find_nothing(bundle: Path) -> None:
    assert findings(bundle) == []


@pytest.mark.slow
@pytest.mark.parametrize(("damage", "check", "words"), BROKEN)
def test_olms_libraries_would_find_it(
    bundle: Path, tmp_path: Path, damage: Callable[[Path], object], check: str, words: str
) -> None:
    broken = tmp_path / "bundle"
    shutil.copytree(bundle, broken)
    damage(broken)
    assert [each for each in findings(broken) if each.check == check and words in each.text]


@pytest.mark.slow
def test_a_bundle_in_which_they_find_something_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_modes(directory: Path, digest: str) -> None:
        write(directory, digest)
        in_csv(lambda csv: csv["spec"].pop("installModes"))(directory)

    monkeypatch.setattr("sys.argv", ["olm", str(tmp_path / "bundle"), "--digest", DIGEST])
    main()
    monkeypatch.setattr("tests.tools.olm.__main__.write", without_modes)
    with pytest.raises(SystemExit, match="install modes not found"):
        main()


@pytest.mark.slow
def test_an_install_for_all_namespaces_has_the_rights_of_the_chart_and_no_more(bundle: Path) -> None:
    """OLM grants both lists in the whole cluster then. The right to the Lease, the chart grants in its namespace."""
    spec = manifest(bundle, "ClusterServiceVersion")["spec"]["install"]["spec"]
    granted = [*spec["permissions"][0]["rules"], *spec["clusterPermissions"][0]["rules"]]
    of_chart = rules_of(render())
    assert beyond(of_chart, granted) == beyond(granted, of_chart) == []
    assert {each["serviceAccountName"] for key in ("permissions", "clusterPermissions") for each in spec[key]} == {
        spec["deployments"][0]["spec"]["template"]["spec"]["serviceAccountName"]
    }


@pytest.mark.slow
def test_an_install_for_some_namespaces_has_no_right_to_a_secret_elsewhere(bundle: Path) -> None:
    spec = manifest(bundle, "ClusterServiceVersion")["spec"]["install"]["spec"]
    (everywhere,) = spec["clusterPermissions"]
    resources = {resource for rule in everywhere["rules"] for resource in rule["resources"]}
    assert not resources & {"secrets", "serviceaccounts", "serviceaccounts/token", "pods", "leases"}
    assert "clusterawsecrimagepullsecrets" in resources


@pytest.mark.slow
def test_the_deployment_is_the_charts_and_is_told_its_namespaces(bundle: Path) -> None:
    (deployment,) = manifest(bundle, "ClusterServiceVersion")["spec"]["install"]["spec"]["deployments"]
    (of_chart,) = (each for each in render() if each["kind"] == "Deployment")
    (container,), (own,) = (each["spec"]["template"]["spec"]["containers"] for each in (deployment, of_chart))
    *env, told = container["env"]
    assert told["name"] == "WATCH_NAMESPACE"
    assert told["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.annotations['olm.targetNamespaces']"
    assert {**container, "env": env} == own


@pytest.mark.slow
def test_a_digest_pins_the_image_everywhere(bundle: Path, tmp_path: Path) -> None:
    pinned = tmp_path / "bundle"
    write(pinned, DIGEST)
    text, by_tag = ((each / CSV).read_text() for each in (pinned, bundle))
    images = re.findall(r"ghcr\.io/kube-ecr/runner\S*", by_tag)
    assert len(images) == 3
    assert re.findall(r"ghcr\.io/kube-ecr/runner\S*", text) == [f"ghcr.io/kube-ecr/runner@{DIGEST}"] * 3


@pytest.mark.slow
def test_every_field_of_a_kind_has_a_descriptor_that_says_what_it_is(bundle: Path) -> None:
    for kind in manifest(bundle, "ClusterServiceVersion")["spec"]["customresourcedefinitions"]["owned"]:
        crd = yaml.safe_load((bundle / "manifests" / f"{kind['name']}.crd.yaml").read_text())
        parts = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
        for part, descriptors in (("spec", kind["specDescriptors"]), ("status", kind["statusDescriptors"])):
            top = [each["path"] for each in descriptors if "." not in each["path"]]
            assert top == list(parts[part]["properties"])
            assert [each["path"] for each in descriptors if not each["description"]] == []


@pytest.mark.slow
def test_an_api_server_takes_what_olm_applies(bundle: Path, cluster: Cluster) -> None:
    (namespace,) = cluster.namespaces("bundle")
    csv = manifest(bundle, "ClusterServiceVersion")
    spec = csv["spec"]["install"]["spec"]["deployments"][0]["spec"]
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "runner"}, "spec": spec}
    examples = json.loads(csv["metadata"]["annotations"]["alm-examples"])
    for each in (manifest(bundle, "Service"), deployment, *examples):
        args = ("create", "--dry-run=server", "--validate=strict", "-n", namespace, "-f", "-")
        cluster.kubectl(*args, stdin=json.dumps(each))
    for path in (bundle / "manifests").glob("*.crd.yaml"):
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", str(path))


@pytest.mark.slow
def test_the_version_of_kubernetes_is_that_of_the_chart_in_words_of_openshift(bundle: Path) -> None:
    chart = yaml.safe_load((ROOT / "chart" / "Chart.yaml").read_text())
    oldest = manifest(bundle, "ClusterServiceVersion")["spec"]["minKubeVersion"]
    assert chart["kubeVersion"] == f">={oldest}-0"
    annotations = yaml.safe_load((bundle / ANNOTATIONS).read_text())["annotations"]
    assert (oldest, annotations["com.redhat.openshift.versions"]) == ("1.29.0", "v4.16")
    dockerfile = (bundle / "bundle.Dockerfile").read_text()
    assert dict(re.findall(r'^LABEL (\S+)="(.*)"$', dockerfile, re.MULTILINE)) == annotations
