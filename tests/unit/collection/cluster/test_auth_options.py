"""The options for the connection are kubernetes.core's, in code and in documentation, though they are written by us."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType
from typing import Any

import pytest
import yaml

from ansible_collections.kube_ecr.secrets.plugins.doc_fragments import k8s_auth
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.auth_options import AUTH_OPTIONS
from tests.support.harness.packaged_collections import KUBERNETES_CORE, KUBERNETES_CORE_OLDEST, VERSIONS, cached

# The oldest that is supported is only fetched for those tests that are slow anyway.
ENDS = pytest.mark.parametrize(
    "version", [VERSIONS[KUBERNETES_CORE], pytest.param(KUBERNETES_CORE_OLDEST, marks=pytest.mark.slow)]
)


@ENDS
def test_options_are_those_of_kubernetes_core(version: str) -> None:
    assert complete(AUTH_OPTIONS) == complete(theirs(version, "module_utils/args_common.py").AUTH_ARG_SPEC)


@ENDS
def test_documentation_is_that_of_kubernetes_core(version: str) -> None:
    """In all but the words: the options, what they take, and the variables that stand in for them."""
    assert documented(k8s_auth) == documented(theirs(version, "doc_fragments/k8s_auth_options.py"))


def theirs(version: str, path: str) -> ModuleType:
    """Return a file of a version of kubernetes.core as a module."""
    spec = importlib.util.spec_from_file_location("theirs", cached(KUBERNETES_CORE, version) / "plugins" / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
