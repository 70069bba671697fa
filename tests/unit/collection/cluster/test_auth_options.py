"""The options for the connection are kubernetes.core's, in code and in documentation, though they are written by us."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.kubernetes.core.plugins.doc_fragments import k8s_auth_options
from ansible_collections.kubernetes.core.plugins.module_utils import args_common

from ansible_collections.kube_ecr.secrets.plugins.doc_fragments import k8s_auth
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.auth_options import AUTH_OPTIONS

# Whichever version is installed. Where that is an old one, as in the support matrix, the test is of that one.
ROOT = Path(args_common.__file__).parents[2]
VERSION = json.loads((ROOT / "MANIFEST.json").read_text())["collection_info"]["version"]
NAMED = pytest.mark.parametrize("version", [f"kubernetes.core {VERSION}"])


@NAMED
def test_options_are_those_of_kubernetes_core(version: str) -> None:
    assert complete(AUTH_OPTIONS) == complete(args_common.AUTH_ARG_SPEC), version


@NAMED
def test_documentation_is_that_of_kubernetes_core(version: str) -> None:
    """In all but the words: the options, what they take, and the variables that stand in for them."""
    assert documented(k8s_auth) == documented(k8s_auth_options), version


def complete(specification: dict[str, Any]) -> dict[str, Any]:
    """Return a specification in which what Ansible takes for granted is written out."""
    return {
        name: {"type": "str", **option, **({"options": complete(option["options"])} if "options" in option else {})}
        for name, option in specification.items()
    }


def documented(fragment: Any) -> dict[str, Any]:
    return facts(yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"])


def facts(options: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of options, apart from prose; versions are of each collection's own."""
    found = {}
    for name, option in options.items():
        fact = {key: value for key, value in option.items() if key not in ("description", "version_added")}
        fact["variables"] = sorted(set(re.findall(r"K8S_AUTH_\w+", str(option["description"]))))
        if "suboptions" in option:
            fact["suboptions"] = facts(option["suboptions"])
        found[name] = fact
    return found
