"""The files of the bundle, by what the chart renders to for OLM.

DIRECTORY/manifests/    the ClusterServiceVersion, the definitions, and what OLM applies beside them
DIRECTORY/metadata/     annotations.yaml
DIRECTORY/bundle.Dockerfile
"""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.support.harness.helm import NAMESPACE, Values, render, the
from tests.tools.manifests import without_helm
from tests.tools.olm.csv import PACKAGE, Strategy, chart_of_repository, cluster_service_version, min_kube_version
from tests.tools.olm.rights import beyond, rules_of

# OLM says in this annotation of the pods which namespaces are to be served; empty for all.
_TARGETS = "metadata.annotations['olm.targetNamespaces']"
_VALUES: Values = {
    "extraEnv": [{"name": "WATCH_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": _TARGETS}}}],
    # A bundle may hold no policies for pods: they are applied by hand.
    "podInjection": {"enabled": False},
    # OLM itself makes such roles of each kind.
    "rbac": {"aggregated": {"view": False, "edit": False, "admin": False}},
}
# The deprecated kind is for those who come from the Go operator, which OLM never installed. It may be watched all the
# same: the API server says of a kind that it does not know that it is missing only to those who may ask for it.
_LEGACY = "AWSECRCredential"
_IN_CSV = ("Deployment", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
_BESIDE = ("Service",)
_CHANNEL = "stable"
_ANNOTATIONS = "operators.operatorframework.io.bundle"


def write(directory: Path, digest: str = "") -> None:
    """Write the bundle, with the image of that digest, else of the tag of the chart. Raises HelmError, ValueError."""
    image = {"image": {"digest": digest}} if digest else {}
    everywhere = render({**_VALUES, **image}, "--skip-tests")
    # As if for the namespace that it is in, so that what it needs there for itself is in the same roles.
    somewhere = render({**_VALUES, "watchNamespaces": [NAMESPACE]}, "--skip-tests")
    crds = [each for each in everywhere if _is_crd(each)]
    rest = [each for each in everywhere if not _is_crd(each)]
    if unknown := {each["kind"] for each in rest} - {*_IN_CSV, *_BESIDE}:
        raise ValueError(
            f"the chart renders {', '.join(sorted(unknown))}, of which the bundle does not know what to do"
        )
    permissions = rules_of(somewhere)
    strategy = Strategy(the(_plain(rest), "Deployment"), permissions, beyond(rules_of(everywhere), permissions))
    served = [each for each in _plain(crds) if each["spec"]["names"]["kind"] != _LEGACY]
    manifests = {f"{PACKAGE}.clusterserviceversion.yaml": cluster_service_version(strategy, served)}
    manifests |= {f"{each['metadata']['name']}.crd.yaml": each for each in served}
    beside = [_elsewhere(each) for each in _plain(rest) if each["kind"] in _BESIDE]
    manifests |= {f"{each['metadata']['name']}.{each['kind'].lower()}.yaml": each for each in beside}
    annotations = _annotations()
    _write(directory / "manifests", manifests)
    _write(directory / "metadata", {"annotations.yaml": {"annotations": annotations}})
    (directory / "bundle.Dockerfile").write_text(_dockerfile(annotations))


def _is_crd(each: dict) -> bool:
    return each["kind"] == "CustomResourceDefinition"


def _plain(objects: list[dict]) -> list[dict]:
    return [plain for each in objects if isinstance(plain := without_helm(each), dict)]


def _elsewhere(each: dict) -> dict:
    """Return an object without its namespace: OLM puts it where the operator is installed."""
    return each | {"metadata": {name: value for name, value in each["metadata"].items() if name != "namespace"}}


def _annotations() -> dict[str, str]:
    minor = int(min_kube_version(chart_of_repository()).split(".")[1])
    return {
        f"{_ANNOTATIONS}.mediatype.v1": "registry+v1",
        f"{_ANNOTATIONS}.manifests.v1": "manifests/",
        f"{_ANNOTATIONS}.metadata.v1": "metadata/",
        f"{_ANNOTATIONS}.package.v1": PACKAGE,
        f"{_ANNOTATIONS}.channels.v1": _CHANNEL,
        f"{_ANNOTATIONS}.channel.default.v1": _CHANNEL,
        # OpenShift 4.N has Kubernetes 1.(N + 13). https://access.redhat.com/solutions/4870701
        "com.redhat.openshift.versions": f"v4.{minor - 13}",
    }


def _dockerfile(annotations: dict[str, str]) -> str:
    labels = [f'LABEL {name}="{value}"' for name, value in annotations.items()]
    return "\n".join(["FROM scratch", *labels, "COPY manifests /manifests/", "COPY metadata /metadata/", ""])


def _write(directory: Path, files: dict[str, dict]) -> None:
    directory.mkdir(parents=True)
    for name, content in files.items():
        text = yaml.safe_dump(content, sort_keys=False, width=110, allow_unicode=True)
        (directory / name).write_text(f"---\n{text}")
