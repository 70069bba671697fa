"""The documentation of our modules and inventory plugins, as the installed copies have it."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from ansible_collections.kube_ecr.secrets import plugins

COLLECTION = "kube_ecr.secrets"


@cache
def names(kind: str) -> tuple[str, ...]:
    """Return the names of all plugins of a folder, such as `modules`."""
    return tuple(
        sorted(path.stem for path in (Path(plugins.__path__[0]) / kind).glob("*.py") if not path.name.startswith("_"))
    )


def plugin(kind: str, name: str) -> ModuleType:
    """Return the Python module of a plugin."""
    return importlib.import_module(f"ansible_collections.{COLLECTION}.plugins.{kind}.{name}")


def documentation(name: str, part: str) -> dict[str, Any]:
    """Return DOCUMENTATION or RETURN of a module, parsed."""
    return yaml.safe_load(getattr(plugin("modules", name), part))
