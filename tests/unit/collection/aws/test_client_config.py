"""What a user may say of the clients of AWS: which settings are taken, which are refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.client_config import (
    checked_config,
    checked_verification,
)
from tests.support.cluster.pki import CertificateAuthority

CANARY = "canary"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"user_agent_extra": "team-a", "read_timeout": 30, "connect_timeout": 0.5, "max_pool_connections": 5},
        {"retries": {"mode": "adaptive", "total_max_attempts": 3}, "proxies": {"https": "http://127.0.0.1:9"}},
        {"use_fips_endpoint": True, "client_cert": "/etc/pki/me.pem", "tcp_keepalive": True},
    ],
)
def test_settings_of_botocore_are_taken_as_they_are(options: dict[str, object]) -> None:
    assert checked_config(options) == options
    assert checked_config(None) == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"Read_timeout": 5}, "aws_config: 'Read_timeout' is no setting of botocore.config.Config in botocore 1."),
        ({5: CANARY}, "aws_config: 5 is no setting"),
        ({"read_timeout": 0}, "aws_config: read_timeout has to be a number greater than 0"),
        ({"connect_timeout": True}, "aws_config: connect_timeout has to be a number greater than 0"),
        ({"max_pool_connections": CANARY}, "aws_config: max_pool_connections has to be a number greater than 0"),
        ({"proxies": f"http://{CANARY}"}, "aws_config: proxies has to be a dictionary"),
        ({"retries": 3}, "aws_config: retries has to be a dictionary"),
        ({"retries": {"mode": CANARY}}, "botocore does not accept the value of retries (InvalidRetryModeError)"),
        ({"retries": {CANARY: 3}}, "botocore does not accept the value of retries (InvalidRetryConfigurationError)"),
        ({"s3": {"addressing_style": CANARY}}, "botocore does not accept the value of s3 (Invalid"),
    ],
)
def test_what_botocore_does_not_know_is_named_without_its_value(options: dict[object, object], words: str) -> None:
    with pytest.raises(ValueError, match="aws_config") as caught:
        checked_config(options)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert CANARY not in str(caught.value)


def test_certificates_are_checked_as_amazon_aws_has_it(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    good.write_bytes(CertificateAuthority("company").pem)
    bad.write_text(CANARY)
    taken = {
        (True, None): None,
        (True, str(good)): str(good),
        (False, None): False,
        (False, str(bad)): False,
        (None, None): None,
    }
    assert {given: checked_verification(*given) for given in taken} == taken
    for bundle, words in (
        (str(bad), f"aws_ca_bundle: {bad} holds no certificate that can be read"),
        (str(tmp_path), f"aws_ca_bundle: {tmp_path} cannot be read (Is a directory)"),
        (str(tmp_path / "nowhere"), "nowhere cannot be read (No such file or directory)"),
    ):
        with pytest.raises(ValueError, match="aws_ca_bundle") as caught:
            checked_verification(True, bundle)
        assert words in str(caught.value)
        assert CANARY not in str(caught.value)
