"""The OLM bundle of the chart: written, looked at by OLM's own libraries, and installed as OLM would.

There is no OLM here. What it makes of a bundle is what its controllers are documented to make:
https://github.com/operator-framework/operator-lifecycle-manager/blob/master/doc/design/operatorgroups.md
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.cluster.objects import Cluster
from tests.support.harness.helm import RELEASE, Release
from tests.support.harness.tools import go_tool

_SECONDS = 60.0
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Finding:
    """What one of OLM's checks says of a bundle; level is error or warning."""

    level: str
    check: str
    text: str


def findings(bundle: Path) -> list[Finding]:
    """Return what OLM's libraries find in a bundle, none if it is all right."""
    command = [str(go_tool("bundle")), str(bundle), str(bundle / "bundle.Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    return [Finding(**each) for each in json.loads(done.stdout)]


def manifest(bundle: Path, kind: str) -> dict:
    """Return the only manifest of a kind in a bundle."""
    manifests = (yaml.safe_load(path.read_text()) for path in sorted((bundle / "manifests").iterdir()))
    (found,) = (each for each in manifests if each["kind"] == kind)
    return found


def install(cluster: Cluster, bundle: Path, namespace: str, targets: list[str], env: dict[str, str]) -> Release:
    """Make what OLM makes of a bundle for an OperatorGroup with these target namespaces, none for all.

    env goes into the container, as that of a Subscription does. The release is not one of helm: it is there to start
    its pod's process.
    """
    spec = manifest(bundle, "ClusterServiceVersion")["spec"]["install"]["spec"]
    (deployment,), (permissions,), (beyond,) = spec["deployments"], spec["permissions"], spec["clusterPermissions"]
    subject = {"kind": "ServiceAccount", "name": permissions["serviceAccountName"], "namespace": namespace}
    assert beyond["serviceAccountName"] == subject["name"]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": subject["name"]}}
    account["metadata"]["namespace"] = namespace
    roles = _bound(f"{namespace}-beyond", beyond["rules"], subject)
    for target in dict.fromkeys([namespace, *targets]) if targets else [""]:
        roles += _bound(f"{namespace}-permissions", permissions["rules"], subject, target)
    template = deployment["spec"]["template"]
    template["metadata"]["annotations"] = {"olm.targetNamespaces": ",".join(targets)}
    template["spec"]["containers"][0]["env"] += [{"name": name, "value": value} for name, value in env.items()]
    metadata = {"name": deployment["name"], "namespace": namespace, "labels": deployment["label"]}
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment["spec"]}
    cluster.apply(account, *roles, made)
    return Release(cluster.plane, namespace, RELEASE)


def _bound(name: str, rules: list[dict], subject: dict, namespace: str = "") -> list[dict]:
    """Return a role and its binding, of a namespace or of the cluster."""
    scope = "" if namespace else "Cluster"
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    of = {"apiVersion": f"{_RBAC}/v1", "metadata": metadata}
    ref = {"apiGroup": _RBAC, "kind": f"{scope}Role", "name": name}
    binding = {**of, "kind": f"{scope}RoleBinding", "roleRef": ref, "subjects": [subject]}
    return [{**of, "kind": f"{scope}Role", "rules": rules}, binding]
