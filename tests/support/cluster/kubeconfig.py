"""A kubeconfig of one user, as a person may have it."""

from __future__ import annotations

import json
from pathlib import Path


def kubeconfig_of(folder: Path, user: dict) -> Path:
    """Write a kubeconfig of one user, and return its path."""
    path = folder / "config"
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    path.write_text(json.dumps(config))
    return path
