# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Registry hosts, and the call to AWS that gives a login for each.

Pure: the partitions of AWS come from botocore's data and are handed in, so that this file need not know their
names. Hosts of ECR (https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html and
https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html):

    ACCOUNT.dkr.ecr.REGION.SUFFIX         ACCOUNT.dkr.ecr-fips.REGION.SUFFIX
    ACCOUNT.dkr-ecr.REGION.on.SUFFIX      ACCOUNT.dkr-ecr-fips.REGION.on.SUFFIX       (dual-stack)

A host of any other form is taken for a name that somebody put in front of ECR.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .._contract.ecr_hosts import PUBLIC_HOSTS, meant
from .._contract.errors import SpecError
from .._contract.login_request import EcrHost, LoginRequest, is_of_aws

# https://docs.aws.amazon.com/AmazonECR/latest/public/public-registry-auth.html: the API is in this region only.
PUBLIC_REGION = "us-east-1"
_PUBLIC_PARTITION = "aws"


class RegistryError(SpecError):
    """A host has the form of one of ECR's, but cannot be one."""


@dataclass(frozen=True)
class Partition:
    """A part of AWS with identities of its own: name, regions as a regular expression, suffixes of its hosts.

    dual_stack_suffix is that of AWS' API endpoints, such as C(api.aws).
    """

    name: str
    region_regex: str
    dns_suffix: str
    dual_stack_suffix: str


@dataclass(frozen=True)
class TokenCall:
    """A call for a token: whatever is asked for and equal to another is answered by that one's token."""

    service: str
    region: str
    fips: bool = False
    dual_stack: bool = False


def token_call(request: LoginRequest, region: str, partitions: Iterable[Partition]) -> TokenCall:
    """Return the call whose token gives the login that is asked for; region is that of the caller.

    Raises RegistryError naming host and remedy.
    """
    host = request.host
    if host is None:
        return TokenCall("ecr", request.region or region)
    if host in PUBLIC_HOSTS:
        partition = _partition_of(region or PUBLIC_REGION, partitions)
        if partition.name != _PUBLIC_PARTITION:
            raise RegistryError(f"{host}: identities of partition {partition.name} cannot log in to ECR Public")
        return TokenCall("ecr-public", PUBLIC_REGION)
    found = EcrHost.parse(host)
    if found:
        return _private_call(host, found, partitions)
    if is_of_aws(host):
        raise RegistryError(f"{host} is not a host of ECR; write {meant(host)}, the account with twelve digits")
    if not (request.region or region):
        raise RegistryError(f"{host}: is no host of AWS, so a region has to say where its token comes from")
    return TokenCall("ecr", request.region or region)


def _private_call(host: str, found: EcrHost, partitions: Iterable[Partition]) -> TokenCall:
    if found.is_local:
        return TokenCall("ecr", found.region)
    partition = _partition_of(found.region, partitions)
    suffix = re.sub("^api[.]", "on.", partition.dual_stack_suffix) if found.is_dual_stack else partition.dns_suffix
    if found.suffix != suffix:
        written = f"{host[: -len(found.suffix)]}{suffix}"
        raise RegistryError(f"{host}: hosts of ECR in region {found.region} end in {suffix}; write {written}")
    return TokenCall("ecr", found.region, fips=found.is_fips, dual_stack=found.is_dual_stack)


def _partition_of(region: str, partitions: Iterable[Partition]) -> Partition:
    for partition in partitions:
        if re.fullmatch(partition.region_regex, region):
            return partition
    raise RegistryError(f"{region} is not a region of AWS that this version of botocore knows; is it spelt right?")
