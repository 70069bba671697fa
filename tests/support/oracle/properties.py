"""Settings of the property tests: import this module before a test is defined with hypothesis.

The examples are the same in each run, so that a failure is nobody's bad luck. KUBE_ECR_EXAMPLES=10000 makes that many
new ones for each property instead.
"""

from __future__ import annotations

import os

from hypothesis import settings

_EXAMPLES = int(os.environ.get("KUBE_ECR_EXAMPLES", "0"))

settings.register_profile(
    "repository", derandomize=not _EXAMPLES, max_examples=_EXAMPLES or 100, database=None, deadline=None
)
settings.load_profile("repository")
