"""What holds for the call that a login request leads to, whatever the host, the region and the partition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.registries import (
    Partition,
    RegistryError,
    TokenCall,
    token_call,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.login_request import LoginRequest
from tests.support.oracle import properties  # noqa: F401

PARTITIONS = {
    "eu-west-1": Partition("aws", r"^(us|eu|ap)\-\w+\-\d+$", "amazonaws.com", "api.aws"),
    "cn-north-1": Partition("aws-cn", r"^cn\-\w+\-\d+$", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    "us-gov-west-1": Partition("aws-us-gov", r"^us\-gov\-\w+\-\d+$", "amazonaws.com", "api.aws"),
}
REGIONS = st.sampled_from(sorted(PARTITIONS))
ACCOUNTS = st.integers(0, 10**12 - 1).map("{:012}".format)


def call_for(request: LoginRequest, region: str) -> TokenCall:
    return token_call(request, region, PARTITIONS.values())


@given(ACCOUNTS, REGIONS, REGIONS, st.booleans(), st.booleans())
def test_host_of_ecr_says_its_call_itself(
    account: str, region: str, callers: str, is_fips: bool, is_dual_stack: bool
) -> None:
    partition, fips = PARTITIONS[region], "-fips" if is_fips else ""
    suffix = f"on.{partition.dual_stack_suffix.removeprefix('api.')}" if is_dual_stack else partition.dns_suffix
    host = f"{account}.dkr{'-' if is_dual_stack else '.'}ecr{fips}.{region}.{suffix}"
    request = LoginRequest.for_host(host, callers)
    assert call_for(request, callers) == TokenCall("ecr", region, fips=is_fips, dual_stack=is_dual_stack)
    assert LoginRequest(None, region).is_answered_by(host)


@given(ACCOUNTS, REGIONS, st.sampled_from(["amazonaws.com", "amazonaws.com.cn", "on.aws", "example.com"]), REGIONS)
def test_host_of_ecr_has_the_suffix_of_its_partition(account: str, region: str, suffix: str, callers: str) -> None:
    host = f"{account}.dkr.ecr.{region}.{suffix}"
    try:
        assert call_for(LoginRequest(host, None), callers) == TokenCall("ecr", region)
        assert suffix == PARTITIONS[region].dns_suffix
    except RegistryError as error:
        assert suffix != PARTITIONS[region].dns_suffix, error  # noqa: PT017 (either is right for some hosts)
        assert host in str(error)  # noqa: PT017


@given(st.none() | st.sampled_from(["registry.example.com", "localhost:5000"]), st.none() | REGIONS, REGIONS)
def test_other_requests_lead_to_their_own_region_or_the_callers(
    host: str | None, own: str | None, callers: str
) -> None:
    assert call_for(LoginRequest(host, own), callers) == TokenCall("ecr", own or callers)
