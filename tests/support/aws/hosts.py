"""Under which names AWS has registries, and which token logs in there; for the AWS endpoint of the tests.

Names and suffixes: https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html and botocore's data.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from botocore.loaders import create_loader

PUBLIC = "ecr-public"
"""What stands in the place of a region for ECR Public, whose tokens log in to no other registry."""

PUBLIC_REGION = "us-east-1"
PUBLIC_HOSTS = ("public.ecr.aws", "ecr-public.aws.com")

_HOST = re.compile(r"\d{12}\.dkr(?P<separator>[.-])ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?P<suffix>[a-z0-9.-]+)")


def partition(region: str) -> str:
    """Return the partition, such as `aws-cn`; a region that nobody knows is taken for one of `aws`."""
    return _partition(region)["id"]


def registry_host(account: str, region: str) -> str:
    """Return the host name of the registry that every account has in every region."""
    return f"{account}.dkr.ecr.{region}.{_partition(region)['outputs']['dnsSuffix']}"


def scope_of(host: str) -> str | None:
    """Return the region whose tokens log in there, PUBLIC for ECR Public, None if it is no host of AWS."""
    if host in PUBLIC_HOSTS:
        return PUBLIC
    found = _HOST.fullmatch(host)
    if found is None:
        return None
    outputs = _partition(found["region"])["outputs"]
    is_dual_stack = found["separator"] == "-"
    suffix = outputs["dualStackDnsSuffix"].replace("api.", "on.", 1) if is_dual_stack else outputs["dnsSuffix"]
    return found["region"] if found["suffix"] == suffix else None


@cache
def _partitions() -> list[dict[str, Any]]:
    return create_loader().load_data("partitions")["partitions"]


def _partition(region: str) -> dict[str, Any]:
    known = {each["id"]: each for each in _partitions()}
    return next((each for each in known.values() if re.fullmatch(each["regionRegex"], region)), known["aws"])
