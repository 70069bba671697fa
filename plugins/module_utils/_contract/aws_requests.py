# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests to AWS: where those of the runner's own identity go, and how a message names one that failed.

What always holds: of a URL nothing is told but C(scheme://host:port). User info, path and query may hold secrets.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

# What the message of the runner's program for credential_process begins with. It holds no secret, and is passed on.
OWN_PROGRAM = "kube-ecr-runner: "
CONTAINER = "container credentials (EKS Pod Identity, ECS)"
_SERVICES = {"ecr-public": "ECR Public"}
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


def service_name(service: str) -> str:
    """Return what a service of boto3, such as C(sts), is called in messages."""
    return _SERVICES.get(service, service.replace("-", " ").upper())


def origin_of(url: object) -> str:
    """Return scheme, host and port of a URL; empty where it has none, or where they cannot be told from user info."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    host = f"[{host}]" if ":" in host else host
    # A password with a slash in it, not encoded, ends the part that is taken for the host.
    is_clear = "@" not in f"{parts.path}{parts.query}{parts.fragment}" and _HOST.fullmatch(host)
    if parts.scheme not in ("http", "https") or not is_clear:
        return ""
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def own_sts_endpoint(given: str | None, environ: Mapping[str, str], *, is_ignored: bool) -> str | None:
    """Return the endpoint of STS for the runner's own identity; None where boto3 is to find it as it always does.

    given is the one for all services. One of the environment for STS alone goes before it, unless the endpoints of the
    environment are to be ignored: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    return None if environ.get("AWS_ENDPOINT_URL_STS") and not is_ignored else given


def container_origin(environ: Mapping[str, str]) -> str:
    """Return where a container gets its credentials; empty if the environment names no such place.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    """
    if environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        return "http://169.254.170.2"
    return origin_of(environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"))


@dataclass(frozen=True)
class AwsRequest:
    """A request to an API of AWS: name is such as C(STS AssumeRole), origin is where it went.

    region is the one that it is for, which an endpoint need not have in its name; empty where there is none.
    """

    name: str
    origin: str
    region: str = ""

    def __str__(self) -> str:
        region = f" in {self.region}" if self.region else ""
        return f"{self.name}{region}" + (f" at {self.origin}" if self.origin else "")


class LastRequest:
    """The request to an API of AWS that was sent last, in each thread: what a failure in this thread is about.

    boto3 calls STS or SSO by itself to find credentials, so this need not be the call that was asked for.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    @property
    def request(self) -> AwsRequest | None:
        """What was sent last; None if nothing was since forget()."""
        request: AwsRequest | None = getattr(self._local, "request", None)
        return request

    def forget(self) -> None:
        """Begin anew in this thread."""
        self._local.request, self._local.region = None, ""

    def note_call(self, context: Mapping[str, Any], **_kwargs: object) -> None:
        """Take botocore's event C(before-call.SERVICE.OPERATION), which knows the region of the client."""
        region = context.get("client_region")
        self._local.region = region if isinstance(region, str) else ""

    def note(self, request: Any, event_name: str, **_kwargs: object) -> None:
        """Take botocore's event C(before-send.SERVICE.OPERATION).

        Its URL is the one that is called: that of the client is another one for FIPS endpoints.
        """
        _before_send, service, operation = event_name.split(".", 2)
        region = getattr(self._local, "region", "")
        self._local.request = AwsRequest(f"{service_name(service)} {operation}", origin_of(request.url), region)
