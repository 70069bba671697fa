"""The sessions of boto3: what is left out of botocore's data is missed by nobody."""

from __future__ import annotations

import botocore.session
import pytest
from botocore.exceptions import EndpointVariantError
from botocore.loaders import Loader
from botocore.regions import EndpointResolver

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.session import _loader

VARIANTS = ({}, {"use_fips_endpoint": True}, {"use_dualstack_endpoint": True})


def resolver(loader: Loader) -> EndpointResolver:
    return EndpointResolver(loader.load_data("endpoints"))


def endpoint(found_by: EndpointResolver, *names: str, **variant: bool) -> dict | str | None:
    try:
        return found_by.construct_endpoint(*names, **variant)
    except EndpointVariantError as error:
        return str(error)


@pytest.mark.parametrize("service", ["ecr", "ecr-public", "sts", "sso", "sso-oidc", "signin"])
def test_the_endpoints_that_are_needed_are_those_of_botocore(service: str) -> None:
    """Those after STS find credentials: boto3 calls them for a profile of `aws configure sso`, or after `aws login`."""
    all_of_them, ours = resolver(Loader()), resolver(_loader(None))
    prefix = botocore.session.get_session().get_service_model(service).endpoint_prefix
    regions = [
        (partition, region)
        for partition in all_of_them.get_available_partitions()
        for region in (*all_of_them.get_available_endpoints("ec2", partition), f"{partition}-global", "xx-new-1")
    ]
    assert len(regions) > 40
    for partition, region in regions:
        for variant in VARIANTS:
            names = (prefix, region, partition)
            assert endpoint(ours, *names, **variant) == endpoint(all_of_them, *names, **variant)


def test_the_other_endpoints_are_not_kept() -> None:
    assert not resolver(_loader(None)).get_available_endpoints("ec2")
