"""Which call to AWS gives the login for a host, in every partition that botocore knows."""

from __future__ import annotations

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.registries import (
    RegistryError,
    TokenCall,
    token_call,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.session import partitions
from tests.support.logins import requests

ACCOUNT = "111122223333"


@pytest.mark.parametrize(
    ("entry", "call"),
    [
        ("eu-central-1", TokenCall("ecr", "eu-central-1")),
        (f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com", TokenCall("ecr", "us-east-1")),
        (f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com", TokenCall("ecr", "us-east-1", fips=True)),
        (f"{ACCOUNT}.dkr-ecr.us-east-1.on.aws", TokenCall("ecr", "us-east-1", dual_stack=True)),
        (f"{ACCOUNT}.dkr-ecr-fips.us-east-1.on.aws", TokenCall("ecr", "us-east-1", fips=True, dual_stack=True)),
        (f"{ACCOUNT}.dkr.ecr-fips.us-gov-west-1.amazonaws.com", TokenCall("ecr", "us-gov-west-1", fips=True)),
        (f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn", TokenCall("ecr", "cn-north-1")),
        (f"{ACCOUNT}.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", TokenCall("ecr", "cn-north-1", dual_stack=True)),
        (f"{ACCOUNT}.dkr.ecr.us-iso-east-1.c2s.ic.gov", TokenCall("ecr", "us-iso-east-1")),
        (f"{ACCOUNT}.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", TokenCall("ecr", "us-isob-east-1")),
        (f"{ACCOUNT}.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", TokenCall("ecr", "eu-isoe-west-1")),
        (f"{ACCOUNT}.dkr.ecr.us-isof-south-1.csp.hci.ic.gov", TokenCall("ecr", "us-isof-south-1")),
        (f"{ACCOUNT}.dkr.ecr.eusc-de-east-1.amazonaws.eu", TokenCall("ecr", "eusc-de-east-1")),
        ("public.ecr.aws", TokenCall("ecr-public", "us-east-1")),
        ("ecr-public.aws.com", TokenCall("ecr-public", "us-east-1")),
        ("registry.example.com", TokenCall("ecr", "eu-west-1")),
        ("registry.example.com:5000@eu-central-1", TokenCall("ecr", "eu-central-1")),
    ],
)
def test_a_call_for_each_form_of_host(entry: str, call: TokenCall) -> None:
    assert token_call(*requests(entry), "eu-west-1", partitions()) == call


@pytest.mark.parametrize(
    ("entry", "region", "words"),
    [
        (f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com", "cn-north-1", "end in amazonaws.com.cn"),
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com.cn", "eu-west-1", "end in amazonaws.com"),
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.con", "eu-west-1", "end in amazonaws.com"),
        (f"{ACCOUNT}.dkr-ecr.eu-west-1.amazonaws.com", "eu-west-1", "end in on.aws"),
        (f"{ACCOUNT}.dkr.ecr.europe-1.amazonaws.com", "eu-west-1", "not a region of AWS"),
        ("1111.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1", "twelve digits"),
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com:443", "eu-west-1", "end in amazonaws.com"),
        ("public.ecr.aws", "cn-north-1", "partition aws-cn cannot log in to ECR Public"),
        ("registry.example.com", "", "a region has to say"),
    ],
)
def test_a_host_that_cannot_be_one_of_aws_is_refused(entry: str, region: str, words: str) -> None:
    with pytest.raises(RegistryError, match=words):
        token_call(*requests(entry), region, partitions())
