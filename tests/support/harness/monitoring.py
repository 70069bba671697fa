"""The kinds of the Prometheus operator as it defines them, from its Go module."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

MODULE = "github.com/prometheus-operator/prometheus-operator"
VERSION = "v0.85.0"
# As in go.sum: https://go.dev/ref/mod#go-sum-files
_SUM = "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="
_SECONDS = 120.0


def definitions(*plurals: str) -> list[Path]:
    """Return the files of these definitions; the module (4 MB) is fetched into Go's cache if it is not there."""
    command = ["go", "mod", "download", "-json", f"{MODULE}@{VERSION}"]
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOWORK": "off"}
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=_SECONDS)
    found = json.loads(done.stdout or "{}")
    assert done.returncode == 0, f"{MODULE} cannot be fetched: {found.get('Error', done.stderr)}"
    assert found["Sum"] == _SUM, f"{MODULE} {VERSION} is not what it was: {found['Sum']}"
    folder = Path(found["Dir"], "example", "prometheus-operator-crd")
    return [folder / f"monitoring.coreos.com_{plural}.yaml" for plural in plurals]
