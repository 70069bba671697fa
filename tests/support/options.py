"""Options of modules in the tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def defaults(argument_spec: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a module gets where a playbook gives no option."""
    return {name: option.get("default") for name, option in argument_spec.items()}
