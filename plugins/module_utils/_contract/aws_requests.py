# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests to AWS: where those of the runner's own identity go."""

from __future__ import annotations

from collections.abc import Mapping


def own_sts_endpoint(given: str | None, environ: Mapping[str, str], *, is_ignored: bool) -> str | None:
    """Return the endpoint of STS for the runner's own identity; None where boto3 is to find it as it always does.

    given is the one for all services. One of the environment for STS alone goes before it, unless the endpoints of the
    environment are to be ignored: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    return None if environ.get("AWS_ENDPOINT_URL_STS") and not is_ignored else given
