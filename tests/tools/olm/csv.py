"""The ClusterServiceVersion: what OLM installs, and what its catalogs show."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.harness.helm import NAMESPACE
from tests.tools.olm.descriptors import owned

ROOT = Path(__file__).parents[3]
PACKAGE = "kube-ecr-runner"
_CHART = ROOT / "roles" / "runner" / "files" / "chart"
_PAGE = ROOT / "docs" / "openshift.md"
_REPOSITORY = "https://github.com/kube-ecr/secrets"
# One manifest of each kind, which the console offers to start from.
_EXAMPLES = ("namespaced.yaml", "cluster.yaml")
# What the console says of the operator. https://docs.redhat.com/en/documentation/openshift_container_platform/4.16/html/operators/developing-operators#osdk-csv-annotations-infra_osdk-generating-csvs
# The image and what it starts need nothing but AWS' endpoints, which may be private ones.
_FEATURES = {
    "disconnected": True,
    "proxy-aware": True,
    "fips-compliant": False,
    "tls-profiles": False,
    # It does take roles by tokens of service accounts, but not from the field of the console's form for them.
    "token-auth-aws": False,
    "token-auth-azure": False,
    "token-auth-gcp": False,
}
_INSTALL_MODES = ("OwnNamespace", "SingleNamespace", "MultiNamespace", "AllNamespaces")


@dataclass(frozen=True)
class Strategy:
    """What OLM installs: a Deployment, and the rights of its service account by where they hold."""

    deployment: dict
    permissions: list[dict]
    cluster_permissions: list[dict]


def cluster_service_version(strategy: Strategy, crds: list[dict]) -> dict:
    """Return the ClusterServiceVersion of this version of the chart."""
    chart = yaml.safe_load((_CHART / "Chart.yaml").read_text())
    version = chart["version"]
    metadata = {
        "name": f"{PACKAGE}.v{version}",
        # OLM puts it where it is installed.
        "namespace": "placeholder",
        "annotations": _annotations(strategy, chart),
        "labels": {f"operatorframework.io/{label}": "supported" for label in _platforms(chart)},
    }
    spec = {
        "displayName": "ECR pull secrets",
        "description": _description(),
        "version": version,
        # What the values of `maturity` mean is nowhere said; these two are usual.
        "maturity": "alpha" if version.startswith("0.") else "stable",
        "minKubeVersion": min_kube_version(chart),
        "keywords": chart["keywords"],
        # No maintainers: each would need an address of mail.
        "provider": {"name": chart["maintainers"][0]["name"], "url": _REPOSITORY},
        "links": [{"name": "Source", "url": _REPOSITORY}, *_annotation(chart, "links")],
        "installModes": [{"type": mode, "supported": True} for mode in _INSTALL_MODES],
        "relatedImages": [{"name": "runner", "image": _image(strategy)}],
        "customresourcedefinitions": {"owned": [owned(crd) for crd in crds]},
        "install": {"strategy": "deployment", "spec": _install(strategy)},
        **_icon(chart),
    }
    return {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": metadata,
        "spec": spec,
    }


def min_kube_version(chart: dict) -> str:
    """Return the oldest version of Kubernetes that Chart.yaml takes."""
    (version,) = re.findall(r"^>=([0-9.]+)-0$", chart["kubeVersion"])
    return version


def chart_of_repository() -> dict:
    """Return Chart.yaml."""
    return yaml.safe_load((_CHART / "Chart.yaml").read_text())


def _install(strategy: Strategy) -> dict:
    account = strategy.deployment["spec"]["template"]["spec"]["serviceAccountName"]
    metadata = strategy.deployment["metadata"]
    deployment = {"name": metadata["name"], "label": metadata["labels"], "spec": strategy.deployment["spec"]}
    return {
        "deployments": [deployment],
        "permissions": [{"serviceAccountName": account, "rules": strategy.permissions}],
        "clusterPermissions": [{"serviceAccountName": account, "rules": strategy.cluster_permissions}],
    }


def _annotations(strategy: Strategy, chart: dict) -> dict:
    features = {f"features.operators.openshift.io/{name}": json.dumps(value) for name, value in _FEATURES.items()}
    examples = [yaml.safe_load((ROOT / "docs" / "examples" / name).read_text()) for name in _EXAMPLES]
    annotations = {
        "alm-examples": json.dumps(examples, indent=2),
        "capabilities": chart["annotations"]["artifacthub.io/operatorCapabilities"],
        "categories": "Security, Cloud Provider",
        "containerImage": _image(strategy),
        "description": chart["description"],
        "repository": _REPOSITORY,
        "support": chart["maintainers"][0]["name"],
        "operatorframework.io/suggested-namespace": NAMESPACE,
        # Any older version may be left behind at once, so no version has to name the one before it.
        "olm.skipRange": f"<{chart['version']}",
        **features,
    }
    date = _release_date(chart["version"])
    return annotations | ({"createdAt": date} if date else {})


def _release_date(version: str) -> str:
    """Return the day of the release as the changelog has it; nothing before the release."""
    changelog = ROOT / "changelogs" / "changelog.yaml"
    releases = yaml.safe_load(changelog.read_text())["releases"] if changelog.exists() else {}
    day = releases.get(version, {}).get("release_date")
    return f"{day}T00:00:00Z" if day else ""


def _image(strategy: Strategy) -> str:
    (container,) = strategy.deployment["spec"]["template"]["spec"]["containers"]
    return container["image"]


def _annotation(chart: dict, name: str) -> list:
    return yaml.safe_load(chart["annotations"][f"artifacthub.io/{name}"])


def _platforms(chart: dict) -> list[str]:
    (image,) = _annotation(chart, "images")
    systems, architectures = zip(*(platform.split("/") for platform in image["platforms"]), strict=True)
    return [*(f"os.{name}" for name in dict.fromkeys(systems)), *(f"arch.{name}" for name in architectures)]


def _icon(chart: dict) -> dict:
    """Return the picture that Chart.yaml names by its address in this repository; nothing if it names none."""
    if "icon" not in chart:
        return {}
    path = ROOT / chart["icon"].partition("/main/")[2]
    return {"icon": [{"base64data": base64.b64encode(path.read_bytes()).decode(), "mediatype": "image/svg+xml"}]}


def _description() -> str:
    """Return the part of docs/openshift.md that is for catalogs, with links that lead there from elsewhere."""
    (text,) = re.findall(r"<!-- catalog: begin -->\n(.*?)<!-- catalog: end -->", _PAGE.read_text(), re.DOTALL)
    return re.sub(r"\]\((?!https?:)([^)]+)\)", rf"]({_REPOSITORY}/blob/main/docs/\1)", text.strip()) + "\n"
