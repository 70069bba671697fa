# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A login that is asked for: of one registry host, or of the caller's own registry in a region.

It is parsed once, where it enters, and written as text only at the edges: in the variables of an inventory host, the
options of modules and the annotations of Secrets. The text is

    REGION         the caller's own registry there, whose host AWS names
    HOST           a host of AWS, which says its region itself
    HOST@REGION    any other host in front of ECR, with the region that its token comes from
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .ecr_hosts import LOCALSTACK, PUBLIC_HOSTS
from .errors import ResourceError
from .grammar import check_region, check_registries

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
_ECR_HOST = re.compile(r"[0-9]{12}\.dkr(?P<separator>[.-])ecr(?P<fips>-fips)?\.(?P<region>[a-z0-9-]+)\.(?P<suffix>.+)")
_ECR_LIKE = re.compile(r"[0-9]+\.dkr[.-]ecr")


@dataclass(frozen=True, order=True)
class EcrHost:
    """What the host of a private registry of ECR says: region, suffix of the partition, and which of its endpoints."""

    region: str
    suffix: str
    is_fips: bool
    is_dual_stack: bool

    @property
    def is_local(self) -> bool:
        """Whether it is one of LocalStack's, which has the form of ECR's, and a domain of its own."""
        return re.fullmatch(LOCALSTACK, self.suffix) is not None

    @classmethod
    def parse(cls, host: str) -> EcrHost | None:
        """Return what a host says, None if it has not the form of one of ECR's."""
        found = _ECR_HOST.fullmatch(host)
        if not found:
            return None
        return cls(found["region"], found["suffix"], bool(found["fips"]), found["separator"] == "-")


@dataclass(frozen=True)
class LoginRequest:
    """A login that is asked for. host is None for the caller's own registry; region is None where the host says it."""

    host: str | None
    region: str | None

    @classmethod
    def parse(cls, text: object, path: str = "registries") -> LoginRequest:
        """Return the request that a text names; raise ResourceError with path and the remedy."""
        if not isinstance(text, str):
            raise ResourceError(path, f"{text!r} is no text")
        request = cls.from_text(text)
        if "@" in text or request.host is None:
            check_region(request.region or "", path)
        if request.host is not None:
            check_registries([request.host], path)
        return request

    @classmethod
    def from_text(cls, text: str) -> LoginRequest:
        """Return the request in a text that str() of one gave, without a check: such a text was checked before."""
        host, _at, region = text.partition("@")
        return cls(host, region or None) if "." in host or ":" in host else cls(None, text)

    @classmethod
    def for_host(cls, host: str, region: str) -> LoginRequest:
        """Return the request for a host in a resource of that region; a host of AWS is the same in all regions."""
        return cls(host, None if is_of_aws(host) else region)

    def __str__(self) -> str:
        """Return the text that parse() takes."""
        return "@".join(filter(None, (self.host, self.region)))

    def __lt__(self, other: LoginRequest) -> bool:
        return str(self) < str(other)

    def is_answered_by(self, host: str) -> bool:
        """Return whether a login for host is one that this asks for."""
        if self.host:
            return host == self.host
        found = EcrHost.parse(host)
        return found is not None and found.region == self.region


def is_of_aws(host: str) -> bool:
    """Return whether AWS itself serves a host, going by its form."""
    return host in PUBLIC_HOSTS or _ECR_LIKE.match(host) is not None
