"""These tests need root, podman, buildah and runc: `make execution-environment`.

Elsewhere pytest does not collect them.
"""

from __future__ import annotations

import os

if not os.environ.get("KUBE_ECR_EXECUTION_ENVIRONMENT"):
    collect_ignore_glob = ["test_*.py"]
