"""Where requests to AWS go for the runner's own identity."""

from __future__ import annotations

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.aws_requests import own_sts_endpoint


@pytest.mark.parametrize(
    ("given", "environ", "is_ignored", "endpoint"),
    [
        (None, {}, False, None),
        ("http://all", {}, False, "http://all"),
        ("http://all", {"AWS_ENDPOINT_URL": "http://other"}, False, "http://all"),
        ("http://all", {"AWS_ENDPOINT_URL_STS": ""}, False, "http://all"),
        ("http://all", {"AWS_ENDPOINT_URL_STS": "http://sts"}, False, None),
        ("http://all", {"AWS_ENDPOINT_URL_STS": "http://sts"}, True, "http://all"),
    ],
)
def test_an_endpoint_for_sts_alone_goes_before_the_one_for_all(
    given: str | None, environ: dict[str, str], is_ignored: bool, endpoint: str | None
) -> None:
    assert own_sts_endpoint(given, environ, is_ignored=is_ignored) == endpoint
