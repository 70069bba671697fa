"""What GitOps controllers make of objects: their own libraries, with the health checks of docs/examples/gitops."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from tests.support.harness.tools import go_tool

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "gitops"
KINDS = ("AWSECRImagePullSecret", "ClusterAWSECRImagePullSecret")


def example(name: str) -> list[dict]:
    """Return the objects of a file in docs/examples/gitops."""
    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


def expressions() -> dict[str, dict[str, str]]:
    """Return the expressions that Flux is told, by the kind of which they are."""
    (checks,) = (each["spec"]["healthCheckExprs"] for each in example("flux/kustomizations.yaml") if _has_checks(each))
    assert {each.pop("apiVersion") for each in checks} == {"aws.zakariaamine.com/v1alpha2"}
    return {each.pop("kind"): each for each in checks}


def _has_checks(kustomization: Mapping) -> bool:
    return "healthCheckExprs" in kustomization["spec"]


def scripts() -> dict[str, str]:
    """Return the scripts that Argo CD is told, by the kind of which they are."""
    (config,) = example("argocd/health.yaml")
    prefix = "resource.customizations.health.aws.zakariaamine.com_"
    return {name.removeprefix(prefix): script for name, script in config["data"].items()}


def ask(who: str, objects: Sequence[Mapping], **question: object) -> list[dict[str, str]]:
    """Return status and message of each object, as `who` says: kstatus, flux (expressions) or argocd (script)."""
    said = json.dumps({"objects": objects, **question})
    done = subprocess.run([go_tool("gitops"), who], input=said, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
