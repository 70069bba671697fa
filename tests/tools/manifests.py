"""Writes what the role `runner` applies where helm is absent, and kubectl may: the chart with its default values.

The policies for spec.podInjection are in a file of their own: API servers before Kubernetes 1.36 do not know them.

python tests/tools/manifests.py           writes it anew (make manifests)
python tests/tools/manifests.py --check   fails if it is not as it would be written (make lint)
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from tests.support.harness.helm import NAMESPACE, POLICIES, pod_policies, render

FILES = Path(__file__).parents[2] / "roles" / "runner" / "files"
_HEAD = "---\n# Made of the chart with its default values by `make manifests`. kubectl apply --server-side -f FILE\n"
# What is said of helm; nothing else minds it.
_OF_HELM = ("app.kubernetes.io/managed-by", "helm.sh/chart", "helm.sh/resource-policy")


def wanted() -> dict[str, str]:
    """Return what the files are to hold, by name: the namespace and what helm makes, in its order; the policies."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    made = render(None, "--skip-tests", POLICIES)
    policies = pod_policies(made)
    rest = [namespace, *(each for each in made if each not in policies)]
    return {"manifests.yaml": _text(rest), "pod-injection.yaml": _text(policies)}


def _text(objects: list[dict]) -> str:
    texts = (yaml.dump(without_helm(each), sort_keys=False, width=110, allow_unicode=True) for each in objects)
    return _HEAD + "---\n".join(texts)


def without_helm(node: object) -> object:
    """Return an object without what only helm minds; a mapping of nothing else goes, too."""
    if isinstance(node, list):
        return [without_helm(each) for each in node]
    if isinstance(node, dict):
        kept = {name: without_helm(value) for name, value in node.items() if name not in _OF_HELM}
        return {name: value for name, value in kept.items() if value or not node[name]}
    return node


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="Write the manifests of the role.")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where something would be")
    check = parser.parse_args().check
    stale = {name: text for name, text in wanted().items() if not _holds(FILES / name, text)}
    for name, text in stale.items():
        if check:
            print(f"{name} of the role is not what the chart makes: run 'make manifests'", file=sys.stderr)
        else:
            (FILES / name).write_text(text)
    return 1 if check and stale else 0


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
