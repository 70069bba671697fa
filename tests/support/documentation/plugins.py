"""The documentation of our modules and inventory plugins, as the installed copies have it.

It is read from their files, and nothing is imported: the demo and tools use it, too, for which the collection is not on
Python's path.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

COLLECTION = "kube_ecr.secrets"
FOLDER = Path(sys.prefix, "collections", "ansible_collections", *COLLECTION.split("."), "plugins")


@cache
def names(kind: str) -> tuple[str, ...]:
    """Return the names of all plugins of a folder, such as `modules`."""
    return tuple(sorted(path.stem for path in (FOLDER / kind).glob("*.py") if not path.name.startswith("_")))


def text(kind: str, name: str, part: str) -> str:
    """Return DOCUMENTATION, EXAMPLES or RETURN of a plugin, as it is written."""
    for node in ast.parse((FOLDER / kind / f"{name}.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == part:
            return str(ast.literal_eval(node.value))
    raise LookupError(f"{kind}/{name}.py has no {part}")


def documentation(name: str, part: str) -> dict[str, Any]:
    """Return DOCUMENTATION or RETURN of a module, parsed."""
    return yaml.safe_load(text("modules", name, part))
