# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of a call to AWS, worded for a person: reasons, remedies and the exception AWSError.

What always holds: no text of botocore's exceptions goes out, because that of an HTTP client error can print the
Authorization header, and no external ID. Of a URL, scheme, host and port go out and nothing else.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from .._contract import reasons
from .._contract.aws_requests import AwsRequest, LastRequest, origin_of
from .._contract.errors import ApiError
from .._contract.tls import AWS_AUTHORITY, describe_tls_failure

try:
    import botocore.exceptions
    import botocore.parsers
except ImportError:  # reported by _features.runtime.missing_libraries, by name, when a task runs
    botocore = None

_DEFAULT_REMEDY = "AWS refused the call"
REMEDIES = {
    reasons.UNRECOGNIZED_CLIENT: (
        "AWS does not know this access key: it is wrong, was deleted or belongs to another partition. "
        "Check it for a copy error, and whether it was base64-encoded by hand"
    ),
    reasons.INVALID_SIGNATURE: (
        "the secret access key does not belong to the access key ID. "
        "Check it for a copy error, and whether it was base64-encoded by hand"
    ),
    reasons.EXPIRED_TOKEN: "the session token of these credentials has expired; get new credentials",
    reasons.ACCESS_DENIED: "the IAM principal lacks a permission",
    reasons.INVALID_IDENTITY_TOKEN: "AWS does not accept the web identity token",
    reasons.IDP_COMMUNICATION_ERROR: (
        "AWS could not read the keys of the web identity token's issuer; make its discovery document and keys public"
    ),
    reasons.REGION_DISABLED: "STS is not active in this region for the account; enable it in the account's settings",
    reasons.OPT_IN_REQUIRED: "this account has not enabled the region",
    reasons.CLOCK_SKEW: "the clock of this machine is wrong by more than AWS tolerates; synchronise it",
    reasons.THROTTLING: "AWS throttled the call; it will be tried again",
    reasons.SERVER_ERROR: "AWS had an internal error; it will be tried again",
    reasons.UNREACHABLE: (
        "no connection; check network, DNS, proxy settings and the region's name. In a private subnet each service "
        "needs its own VPC endpoint"
    ),
    reasons.TIMED_OUT: (
        "no answer in time; check network, security groups and proxy settings. In a private subnet each service needs "
        "its own VPC endpoint"
    ),
    reasons.CERTIFICATE_NOT_TRUSTED: (
        "the TLS certificate of the endpoint is not trusted; check AWS_CA_BUNDLE and proxies"
    ),
    reasons.NO_CREDENTIALS: (
        "no AWS credentials found; give access_key and secret_key or profile, or let boto3 find some "
        "(environment, shared files, instance or container role)"
    ),
    reasons.PARTIAL_CREDENTIALS: "the ambient AWS credentials lack one half of the key pair",
    reasons.PROFILE_NOT_FOUND: "the AWS profile does not exist in the shared configuration files",
    reasons.CREDENTIAL_RETRIEVAL_ERROR: (
        "the program that gives the credentials (credential_process) failed; run it by hand to see why"
    ),
    reasons.METADATA_RETRIEVAL_ERROR: "the credentials of the container or instance could not be read; check its role",
    reasons.NO_REGION: "region is missing; give an AWS region such as eu-west-1, or set AWS_REGION",
    reasons.INVALID_ENDPOINT: (
        "the URL of the endpoint is not valid; check endpoint_url, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_STS and the "
        "shared files"
    ),
    reasons.MALFORMED_ANSWER: (
        "the answer cannot be read (an expiresAt that is no time, say); if the endpoint is none of AWS, check it"
    ),
}
ALIASES = {
    "InvalidClientTokenId": reasons.UNRECOGNIZED_CLIENT,
    "SignatureDoesNotMatch": reasons.INVALID_SIGNATURE,
    "ExpiredToken": reasons.EXPIRED_TOKEN,
    "IDPCommunicationErrorException": reasons.IDP_COMMUNICATION_ERROR,
    "InvalidIdentityTokenException": reasons.INVALID_IDENTITY_TOKEN,
    "AccessDenied": reasons.ACCESS_DENIED,
    "RequestTimeTooSkewed": reasons.CLOCK_SKEW,
    "RequestExpired": reasons.CLOCK_SKEW,
    "Throttling": reasons.THROTTLING,
    "TooManyRequestsException": reasons.THROTTLING,
    "RequestLimitExceeded": reasons.THROTTLING,
}
_DENIAL = re.compile(
    r"User: (?P<principal>arn:[\w:/+=,.@-]+) is not authorized to perform: (?P<action>[a-z0-9-]+:[A-Za-z]+)"
    r"(?: on resource: (?P<resource>arn:[\w:/+=,.@*-]+|\*))?"
    r"(?:.* with an explicit deny in (?P<policy>an? [a-z -]+ policy|a permissions boundary))?",
    re.ASCII | re.DOTALL,
)


class AWSError(ApiError):
    """A call to AWS came to nothing.

    call says which; reason is AWS' error code or a word of ours in the same form; the message is for a person
    and holds no credential.
    """

    def __init__(self, call: str, reason: str, remedy: str = "") -> None:
        self.reason = reason
        super().__init__(f"AWS {call}: {reason}: {remedy or REMEDIES.get(reason, _DEFAULT_REMEDY)}")


@contextmanager
def translated(call: str, about: str = "", remedy: str = "", last: LastRequest | None = None) -> Iterator[None]:
    """Turn what botocore raises inside into AWSError, which names the call, what it is about and the host.

    remedy is what to do when the call itself is refused. last knows the requests that are sent inside: a failure is
    that of the last one, which may be another than call, sent by boto3 to find credentials. What botocore (1.44) lets
    through when it reads what is no answer of AWS is turned, too: what Python says of a list where an object should be,
    of a time that is none, of a year that there is not.
    """
    last = last or LastRequest()
    last.forget()
    try:
        yield
    except botocore.exceptions.ClientError as error:
        request = last.request or AwsRequest(call, "")
        raise _refusal(_named(call, about, request), error, remedy if request.name == call else "") from None
    except botocore.exceptions.BotoCoreError as error:
        raise _failure(call, about, last.request, error) from None
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
        botocore.parsers.ResponseParserError,
    ) as error:
        if last.request:
            raise AWSError(_named(call, about, last.request), reasons.MALFORMED_ANSWER) from None
        if isinstance(error, ValueError):
            raise AWSError(f"{call}{about}", reasons.INVALID_ENDPOINT) from None
        raise


def _named(call: str, about: str, request: AwsRequest | None, origin: str = "") -> str:
    """Return the request that failed, with what the call is about if it is the call itself.

    Where none was sent, return the call, with the host that was asked if origin has it.
    """
    if request is None or request.name == call:
        return str(AwsRequest(f"{call}{about}", request.origin if request else origin))
    return str(request)


def _failure(call: str, about: str, request: AwsRequest | None, error) -> AWSError:
    reason = reason_of(error)
    default = "boto3 found no usable credentials or settings; check the environment and shared files"
    remedy = REMEDIES.get(reason, default)
    if isinstance(error, botocore.exceptions.ProxyConnectionError):
        remedy = proxy_remedy(error)
    if isinstance(error, botocore.exceptions.SSLError):
        remedy = describe_tls_failure(error, AWS_AUTHORITY) or remedy
    return AWSError(_named(call, about, request, origin_of(error.kwargs.get("endpoint_url"))), reason, remedy)


def proxy_remedy(error) -> str:
    """Return what to do about botocore's ProxyConnectionError, which a proxy that refuses causes, too.

    It holds the URL of the proxy, and not the one that was called.
    """
    proxy = origin_of(error.kwargs.get("proxy_url"))
    return (
        f"the proxy {f'{proxy} ' if proxy else ''}gives no connection; check HTTPS_PROXY and NO_PROXY, and which hosts "
        "the proxy lets through"
    )


def _refusal(call: str, error, remedy: str) -> AWSError:
    reason, text = reason_in(error.response), error.response.get("Error", {}).get("Message", "")
    if reason == reasons.ACCESS_DENIED:
        return AWSError(call, reason, _denial(text, remedy) or remedy)
    if reason == reasons.INVALID_IDENTITY_TOKEN and remedy:
        return AWSError(call, reason, f"{REMEDIES[reason]}; {remedy}")
    return AWSError(call, reason)


def reason_in(response: dict) -> str:
    """Return the reason for an error that AWS answered, in one word whatever it is."""
    code = response.get("Error", {}).get("Code", "")
    text = response.get("Error", {}).get("Message", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    reason = ALIASES.get(code, code)
    if reason == reasons.INVALID_SIGNATURE and re.match(r"Signature (expired|not yet current)", text):
        reason = reasons.CLOCK_SKEW
    if reason not in REMEDIES and status >= 500:
        reason = reasons.SERVER_ERROR
    return reason if re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", reason) else reasons.UNKNOWN_ERROR


def _denial(text: str, remedy: str) -> str:
    """Return who lacks what, out of the words of IAM, and the remedy; nothing else of the text.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    found = _DENIAL.match(text)
    if not found:
        return ""
    what = f"{found['action']} on resource {found['resource'] or '*'}"
    if found["policy"]:
        return f"{found['policy']} denies {found['principal']} {what}; change that policy"
    return f"the IAM policies of {found['principal']} do not allow {what}; {remedy or 'allow it there'}"


def trust_wanted(role: str | None, token: str) -> str:
    """Return what AWS has to trust to take a web identity token; the claims named are no secret."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        subject, issuer, audience = claims["sub"], claims["iss"], claims["aud"]
        audience = audience if isinstance(audience, str) else ", ".join(audience)
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return "it is no JSON web token of a service account"
    return (
        f"the account of the role needs an IAM OIDC provider for the issuer {issuer} with the audience {audience}, and "
        f"{role} a trust policy that lets the subject {subject} in"
    )


def reason_of(error: Exception | None) -> str:
    exceptions = botocore.exceptions
    table = (
        (exceptions.NoCredentialsError, reasons.NO_CREDENTIALS),
        (exceptions.PartialCredentialsError, reasons.PARTIAL_CREDENTIALS),
        (exceptions.ProfileNotFound, reasons.PROFILE_NOT_FOUND),
        (exceptions.NoRegionError, reasons.NO_REGION),
        (exceptions.SSLError, reasons.CERTIFICATE_NOT_TRUSTED),
        (exceptions.ConnectTimeoutError, reasons.TIMED_OUT),
        (exceptions.ReadTimeoutError, reasons.TIMED_OUT),
        (exceptions.ConnectionError, reasons.UNREACHABLE),
        (exceptions.HTTPClientError, reasons.UNREACHABLE),
        (ValueError, reasons.INVALID_ENDPOINT),
    )
    return next((reason for kind, reason in table if isinstance(error, kind)), type(error).__name__)
