# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The AWS backend: one call to ECR, and its errors worded for a person.

What always holds: keys that are given win alone - nothing of the environment or of ~/.aws is mixed in but
proxies and CA bundle; every call ends (time-outs, bounded retries); no text of botocore's exceptions goes
out, because that of an HTTP client error can print the Authorization header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

try:
    import boto3
    import botocore.config
    import botocore.exceptions
    import botocore.session
except ImportError:  # reported by _module.missing_libraries, by name, when a task runs
    boto3 = None

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 10
ATTEMPTS = 3

_REMEDIES = {
    "UnrecognizedClientException": (
        "AWS does not know this access key: it is wrong, was deleted or belongs to another partition. "
        "Check it for a copy error, and whether it was base64-encoded by hand"
    ),
    "InvalidSignatureException": (
        "the secret access key does not belong to the access key ID. "
        "Check it for a copy error, and whether it was base64-encoded by hand"
    ),
    "ExpiredTokenException": "the session token of these credentials has expired; get new credentials",
    "AccessDeniedException": "the IAM principal lacks a permission; allow ecr:GetAuthorizationToken on resource *",
    "OptInRequired": "this account has not enabled the region",
    "ClockSkew": "the clock of this machine is wrong by more than AWS tolerates; synchronise it",
    "ThrottlingException": "AWS throttled the call; it will be tried again",
    "ServerError": "AWS had an internal error; it will be tried again",
    "Unreachable": "no connection to AWS; check network, DNS, proxy settings and the region's name",
    "TimedOut": "AWS did not answer in time; check network and proxy settings",
    "CertificateNotTrusted": "the TLS certificate of the endpoint is not trusted; check AWS_CA_BUNDLE and proxies",
    "NoCredentials": (
        "no AWS credentials found; give access_key and secret_key or profile, or let boto3 find some "
        "(environment, shared files, instance or container role)"
    ),
    "PartialCredentials": "the ambient AWS credentials lack one half of the key pair",
    "ProfileNotFound": "the AWS profile does not exist in the shared configuration files",
    "NoRegion": "region is missing; give an AWS region such as eu-west-1, or set AWS_REGION",
    "InvalidEndpoint": "endpoint_url is not a valid URL",
}
_ALIASES = {
    "InvalidClientTokenId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "ExpiredToken": "ExpiredTokenException",
    "AccessDenied": "AccessDeniedException",
    "RequestTimeTooSkewed": "ClockSkew",
    "RequestExpired": "ClockSkew",
    "Throttling": "ThrottlingException",
    "TooManyRequestsException": "ThrottlingException",
    "RequestLimitExceeded": "ThrottlingException",
}


class AWSError(Exception):
    """A call to AWS came to nothing.

    reason is AWS' error code or a word of ours in the same form; the message is for a person and holds
    no credential.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        remedy = _REMEDIES.get(reason, "AWS refused the call")
        super().__init__(f"AWS ECR GetAuthorizationToken: {reason}: {remedy}{detail}")


@dataclass(frozen=True)
class Credentials:
    """How to reach AWS: explicit keys, else a profile, else boto3's own chain."""

    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    profile: str | None = None
    endpoint_url: str | None = None


def get_authorization_token(credentials: Credentials) -> dict:
    """Return boto3's response to ECR's GetAuthorizationToken, as AWS gave it.

    Takes at most about ATTEMPTS * (CONNECT_TIMEOUT + READ_TIMEOUT) seconds. Raises AWSError.
    """
    try:
        return _client(credentials).get_authorization_token()
    except botocore.exceptions.ClientError as error:
        raise _from_client_error(error) from None
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise AWSError(_reason_of(error)) from None


def _client(credentials: Credentials):
    """Each client has a session of its own: botocore's default one is shared, and keeps credentials."""
    explicit = credentials.access_key is not None
    config = botocore.config.Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        ignore_configured_endpoint_urls=explicit,
    )
    session = boto3.session.Session(
        botocore_session=_isolated_session() if explicit else None,
        profile_name=credentials.profile,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.session_token,
        region_name=credentials.region,
    )
    return session.client("ecr", endpoint_url=credentials.endpoint_url, config=config)


def _isolated_session():
    """Return a botocore session that reads neither AWS_PROFILE nor the shared files.

    A profile that does not exist would otherwise fail the call although keys are given (measured with
    botocore 1.44).
    """
    nothing = (None, None, None, None)
    return botocore.session.Session(
        session_vars={"profile": nothing, "config_file": nothing, "credentials_file": nothing}
    )


def _from_client_error(error) -> AWSError:
    code = error.response.get("Error", {}).get("Code", "")
    text = error.response.get("Error", {}).get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    reason = _ALIASES.get(code, code)
    if reason == "InvalidSignatureException" and re.match(r"Signature (expired|not yet current)", text):
        reason = "ClockSkew"
    if reason not in _REMEDIES and status >= 500:
        reason = "ServerError"
    if reason == "AccessDeniedException":
        return AWSError(reason, _principal(text))
    return AWSError(reason if re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", reason) else "UnknownError")


def _principal(text: str) -> str:
    """Return who was refused, out of IAM's C(User: ARN is not authorized to perform: ...)."""
    found = re.match(r"User: (arn:[\w:/+=,.@-]+) is not authorized", text)
    return f" for {found[1]}" if found else ""


def _reason_of(error: Exception) -> str:
    exceptions = botocore.exceptions
    table = (
        (exceptions.NoCredentialsError, "NoCredentials"),
        (exceptions.PartialCredentialsError, "PartialCredentials"),
        (exceptions.ProfileNotFound, "ProfileNotFound"),
        (exceptions.NoRegionError, "NoRegion"),
        (exceptions.SSLError, "CertificateNotTrusted"),
        (exceptions.ConnectTimeoutError, "TimedOut"),
        (exceptions.ReadTimeoutError, "TimedOut"),
        (exceptions.ConnectionError, "Unreachable"),
        (exceptions.HTTPClientError, "Unreachable"),
        (ValueError, "InvalidEndpoint"),
    )
    return next((reason for kind, reason in table if isinstance(error, kind)), type(error).__name__)
