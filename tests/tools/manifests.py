"""Writes what the role `runner` applies where helm is absent, and kubectl may: the chart with its default values.

python tests/tools/manifests.py           writes it anew (make manifests)
python tests/tools/manifests.py --check   fails if it is not as it would be written (make lint)
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from tests.support.harness.helm import NAMESPACE, render

PATH = Path(__file__).parents[2] / "roles" / "runner" / "files" / "manifests.yaml"
_HEAD = "---\n# Made of the chart with its default values by `make manifests`. kubectl apply --server-side -f FILE\n"
# What is said of helm; nothing else minds it.
_OF_HELM = ("app.kubernetes.io/managed-by", "helm.sh/chart", "helm.sh/resource-policy")


def wanted() -> str:
    """Return what the file is to hold: the namespace, and then what helm makes, in its order."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    objects = [namespace, *map(_without_helm, render(None, "--skip-tests"))]
    return _HEAD + "---\n".join(yaml.dump(each, sort_keys=False, width=110, allow_unicode=True) for each in objects)


def _without_helm(node: object) -> object:
    if isinstance(node, list):
        return [_without_helm(each) for each in node]
    if isinstance(node, dict):
        kept = {name: _without_helm(value) for name, value in node.items() if name not in _OF_HELM}
        return {name: value for name, value in kept.items() if value or not node[name]}
    return node


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="Write the manifests of the role.")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where something would be")
    check = parser.parse_args().check
    text = wanted()
    if not check:
        PATH.write_text(text)
    elif not PATH.exists() or PATH.read_text() != text:
        print(f"{PATH.name} of the role is not what the chart makes: run 'make manifests'", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
