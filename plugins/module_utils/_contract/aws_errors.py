# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of a request to AWS: a reason for each error code and each exception of boto3, and what to do about it.

Pure. botocore's exceptions are told by the names of their classes, so that this file needs no botocore.

What always holds: no text of an exception and none of an answer goes out, because either may hold a key or a token.
What does go out of them is a name, checked by its form: of a file, a profile, a region, a variable, a service.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html
https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/CommonErrors.html
https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html, API_AssumeRole.html and
API_AssumeRoleWithWebIdentity.html beside it
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from typing import Any

from . import reasons
from .aws_requests import origin_of
from .tls import AWS_AUTHORITY, describe_tls_failure

_ENDPOINT = "check endpoint_url, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_STS and the shared files"
_SETTINGS = "check the variables AWS_* and the shared files"
LOG_IN = "check the profile, and log in anew with the AWS CLI"
_REGION = "check the name of the region"
_ANOTHER = "what answers is none of AWS', or changes what is sent; check proxies and VPC endpoints on the way, and "
DEFAULT_REMEDY = "AWS refused the call; its API reference explains the code"
_DEFAULT_FAILURE = f"boto3 found no usable credentials or settings; {_SETTINGS}"

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
        "AWS could not read the keys of the web identity token's issuer; it will be tried again. If it stays, make its "
        "discovery document and keys public"
    ),
    "IDPRejectedClaim": "the issuer rejects the web identity token, or its claims: it has expired or was withdrawn",
    reasons.REGION_DISABLED: "STS is not active in this region for the account; enable it in the account's settings",
    reasons.OPT_IN_REQUIRED: "this account has not enabled the region, or is not signed up for the service",
    reasons.CLOCK_SKEW: "the clock of this machine is wrong by more than AWS tolerates; synchronise it",
    reasons.THROTTLING: "AWS throttled the call; it will be tried again",
    reasons.SERVER_ERROR: "AWS, or what stands before it, had a fault of its own; it will be tried again",
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
    reasons.PARTIAL_CREDENTIALS: "the ambient AWS credentials lack one half of the key pair; set both, or none",
    reasons.PROFILE_NOT_FOUND: (
        "the AWS profile does not exist in the shared configuration files; check AWS_PROFILE, AWS_CONFIG_FILE and "
        "AWS_SHARED_CREDENTIALS_FILE"
    ),
    reasons.CREDENTIAL_RETRIEVAL_ERROR: (
        "the program that gives the credentials (credential_process) failed; run it by hand to see why"
    ),
    reasons.METADATA_RETRIEVAL_ERROR: "the credentials of the container or instance could not be read; check its role",
    reasons.NO_REGION: "region is missing; give an AWS region such as eu-west-1, or set AWS_REGION",
    reasons.INVALID_ENDPOINT: f"the URL of the endpoint is not valid; {_ENDPOINT}",
    reasons.MALFORMED_ANSWER: (
        "the answer cannot be read (an expiresAt that is no time, say); if the endpoint is none of AWS, check it"
    ),
    reasons.SYSTEM_ERROR: "the operating system refused what boto3 asked for; check the limits of this machine or pod",
    # Codes of AWS that pass as they are.
    **dict.fromkeys(
        ("IncompleteSignature", "IncompleteSignatureException"),
        "AWS cannot read the signature: the access key ID has a character that cannot be in one, or something on the "
        "way changes headers; check the keys, and proxies",
    ),
    **dict.fromkeys(
        ("MissingAuthenticationToken", "MissingAuthenticationTokenException"),
        f"the request came without its signature: {_ANOTHER}endpoint_url",
    ),
    **dict.fromkeys(
        ("MalformedPolicyDocument", "PackedPolicyTooLarge"),
        "AWS refuses the tags and policies of the session; shorten those that the issuer of the token or the role of "
        "the caller passes on",
    ),
    **dict.fromkeys(
        (
            "InvalidParameterCombination",
            "InvalidParameterException",
            "InvalidParameterValue",
            "InvalidQueryParameter",
            "MalformedQueryString",
            "MissingParameter",
            "SerializationException",
            "ValidationError",
            "ValidationException",
        ),
        "AWS does not accept a value of the call; check role ARN, external ID, session name and, if the endpoint is "
        "none of AWS, what it is for",
    ),
    **dict.fromkeys(
        (
            "InvalidAction",
            "MissingAction",
            "NotImplemented",
            "UnknownOperationException",
            "UnsupportedCommandTypeException",
            "UnsupportedOperation",
        ),
        f"what answers does not know this call, so it may be the endpoint of another service; {_ENDPOINT}",
    ),
    # Exceptions of botocore that have no reason of ours: of its settings, and of the ways to find credentials.
    **dict.fromkeys(
        ("ConfigNotFound", "ConfigParseError"),
        "a shared file cannot be read as one; correct it, or what AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name",
    ),
    "InvalidConfigError": (
        "the environment or a profile has one setting without another that belongs to it, such as "
        "AWS_WEB_IDENTITY_TOKEN_FILE without AWS_ROLE_ARN, or role_arn without source_profile; set both"
    ),
    "InfiniteLoopConfigError": "profiles name each other as source_profile; correct the shared files",
    "RefreshWithMFAUnsupportedError": "the profile wants an MFA code, and nobody is here to type it; use another one",
    "MissingDependencyException": (
        "this way to log in needs a library that is not installed (pip install 'botocore[crt]'); install it, or use "
        "another profile"
    ),
    **dict.fromkeys(
        ("InvalidRegionError", "ServiceNotInRegionError", "UnknownEndpointError", "UnknownRegionError"),
        f"boto3 knows no endpoint of the service there; {_REGION}, or update boto3",
    ),
    **dict.fromkeys(
        ("EndpointVariantError", "UnknownFIPSEndpointError"),
        f"boto3 knows no such FIPS or dual-stack endpoint; {_REGION}, AWS_USE_FIPS_ENDPOINT and "
        "AWS_USE_DUALSTACK_ENDPOINT",
    ),
    "EndpointProviderError": (
        f"boto3 finds no endpoint for these settings; {_REGION}, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT"
    ),
    "InvalidIMDSEndpointError": "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL; correct or unset it",
    "InvalidIMDSEndpointModeError": "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither ipv4 nor ipv6; correct it",
    "InvalidRetryConfigurationError": "AWS_RETRY_MODE or AWS_MAX_ATTEMPTS cannot be used; correct or unset it",
    "InvalidDefaultsMode": "AWS_DEFAULTS_MODE cannot be used; correct or unset it",
    "InvalidSTSRegionalEndpointsConfigError": "AWS_STS_REGIONAL_ENDPOINTS is neither regional nor legacy; unset it",
    "InvalidChecksumConfigError": (
        "AWS_REQUEST_CHECKSUM_CALCULATION or AWS_RESPONSE_CHECKSUM_VALIDATION cannot be used; unset it"
    ),
    "InvalidProxiesConfigError": "the settings of the proxy cannot be used; check HTTPS_PROXY and the shared files",
    **dict.fromkeys(
        ("MissingParametersError", "ParamValidationError"),
        "a value of the call does not have its form; check role ARN, external ID, session name and web identity token",
    ),
    **dict.fromkeys(
        ("ApiVersionNotFoundError", "DataNotFoundError", "UndefinedModelAttributeError"),
        "boto3's own data is incomplete; install boto3 and botocore anew, and check AWS_DATA_PATH",
    ),
    **dict.fromkeys(("LoginError", "NoAuthTokenError", "SSOError", "TokenRetrievalError"), LOG_IN),
}
# Codes that mean the same.
ALIASES = {
    **dict.fromkeys(("AuthFailure", "InvalidAccessKeyId", "InvalidClientTokenId"), reasons.UNRECOGNIZED_CLIENT),
    "SignatureDoesNotMatch": reasons.INVALID_SIGNATURE,
    **dict.fromkeys(("ExpiredToken", "TokenRefreshRequired"), reasons.EXPIRED_TOKEN),
    "IDPCommunicationErrorException": reasons.IDP_COMMUNICATION_ERROR,
    "IDPRejectedClaimException": "IDPRejectedClaim",
    "InvalidIdentityTokenException": reasons.INVALID_IDENTITY_TOKEN,
    **dict.fromkeys(
        (
            "AccessDenied",
            "Forbidden",
            "ForbiddenException",
            "NotAuthorized",
            "NotAuthorizedException",
            "UnauthorizedException",
            "UnauthorizedOperation",
        ),
        reasons.ACCESS_DENIED,
    ),
    **dict.fromkeys(("OptInRequiredException", "SubscriptionRequiredException"), reasons.OPT_IN_REQUIRED),
    **dict.fromkeys(("RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"), reasons.CLOCK_SKEW),
    **dict.fromkeys(
        (
            "BandwidthLimitExceeded",
            "EC2ThrottledException",
            "LimitExceededException",
            "PriorRequestNotComplete",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "ThrottledException",
            "Throttling",
            "TooManyRequestsException",
        ),
        reasons.THROTTLING,
    ),
    **dict.fromkeys(("RequestTimeout", "RequestTimeoutException"), reasons.TIMED_OUT),
    **dict.fromkeys(
        (
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalServerException",
            "InternalServiceError",
            "InternalServiceException",
            "ServerException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ),
        reasons.SERVER_ERROR,
    ),
}
# What passes by itself, so that another attempt is worth it at once.
TRANSIENT = frozenset(
    {
        reasons.IDP_COMMUNICATION_ERROR,
        reasons.SERVER_ERROR,
        reasons.THROTTLING,
        reasons.TIMED_OUT,
        reasons.UNREACHABLE,
    }
)
_BY_STATUS = {408: reasons.TIMED_OUT, 429: reasons.THROTTLING}
# Of classes, the first of these among an exception's own and those it derives from.
_BY_CLASS = {
    "NoCredentialsError": reasons.NO_CREDENTIALS,
    "PartialCredentialsError": reasons.PARTIAL_CREDENTIALS,
    reasons.PROFILE_NOT_FOUND: reasons.PROFILE_NOT_FOUND,
    "NoRegionError": reasons.NO_REGION,
    "SSLError": reasons.CERTIFICATE_NOT_TRUSTED,
    "ConnectTimeoutError": reasons.TIMED_OUT,
    "ReadTimeoutError": reasons.TIMED_OUT,
    "ConnectionError": reasons.UNREACHABLE,
    "HTTPClientError": reasons.UNREACHABLE,
    "InvalidEndpointConfigurationError": reasons.INVALID_ENDPOINT,
    **dict.fromkeys(
        ("AwsChunkedWrapperError", "ChecksumError", "FlexibleChecksumError", "IncompleteReadError"),
        reasons.MALFORMED_ANSWER,
    ),
    "ResponseParserError": reasons.MALFORMED_ANSWER,
}
# https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
_SKEWED = re.compile(r"Signature (expired|not yet current)|Date in Credential scope")
_OTHER_REGION = re.compile(r"Credential should be scoped to a valid [Rr]egion")
_OTHER_SERVICE = re.compile(r"Credential should be scoped to correct service(?:: '(?P<service>[a-z0-9-]{1,40})')?")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9]*")
# What may be told of an exception: names, by the keyword under which botocore keeps them.
_TOLD = ("path", "profile", "cred_var", "region_name")
_NAME = re.compile(r"[\w./@:+~-]{1,200}")
_LIMITS = {
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open; raise the limit (ulimit -n)",
    errno.ENOSPC: "the disk is full; make room, or raise the limit of the volume",
    errno.ENOMEM: "there is no memory left; raise the limit",
}
# How those of botocore's errors about metadata begin that have no class of their own.
_CAUSES = {
    "Unsupported host": "boto3 asks this host over https only",
    "Auth token value": "the token for it has a line break",
}
_WAYS = {
    reasons.TIMED_OUT: "no answer in time",
    reasons.CERTIFICATE_NOT_TRUSTED: "its TLS certificate is not trusted",
}
CONTAINER_CHECK = "check that the agent runs on this node and can be reached, and that a role is associated"
_FILES = {
    "AWS_WEB_IDENTITY_TOKEN_FILE": (
        "IRSA puts the token into a pod when the pod is made; check the annotation of its service account and make the "
        "pod anew, or unset the variable"
    ),
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": (
        "EKS Pod Identity puts the token into a pod when the pod is made; check the association of its service account "
        "and make the pod anew, or unset the variable"
    ),
}


def reason_of_answer(response: Mapping[str, Any]) -> str:
    """Return the reason for an error that was answered, in one word whatever it is; response is boto3's."""
    code, text, status = _answered(response)
    reason = ALIASES.get(code, code)
    if reason in (reasons.INVALID_SIGNATURE, "IncompleteSignature") and _SKEWED.match(text):
        return reasons.CLOCK_SKEW
    if reason in REMEDIES:
        return reason
    if status >= 500 or code.startswith("Internal"):
        return reasons.SERVER_ERROR
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    # botocore takes the status for the code where there is no error of AWS in an answer.
    if not code or code.isdigit():
        return reasons.MALFORMED_ANSWER
    return reason if _CODE.fullmatch(reason) else reasons.UNKNOWN_ERROR


def remedy_of_answer(response: Mapping[str, Any]) -> str:
    """Return what to do about an error that was answered, by what AWS says is wrong."""
    _code, text, status = _answered(response)
    reason = reason_of_answer(response)
    if reason == reasons.MALFORMED_ANSWER:
        kind = "a redirect" if 300 <= status < 400 else "no error of AWS"
        return f"the answer has status {status} and is {kind}: {_ANOTHER}endpoint_url"
    if reason == reasons.INVALID_SIGNATURE:
        return _scope_remedy(text) or REMEDIES[reason]
    return REMEDIES.get(reason, DEFAULT_REMEDY)


def _scope_remedy(text: str) -> str:
    if _OTHER_REGION.match(text):
        return (
            "AWS says that the signature is for another region than the one that this endpoint serves; the keys are "
            f"not to blame: {_REGION}, {_ENDPOINT}, and VPC endpoints and proxies on the way"
        )
    found = _OTHER_SERVICE.match(text)
    if found:
        service = f" ({found['service']})" if found["service"] else ""
        return f"AWS says that this is the endpoint of another service{service}; the keys are not to blame: {_ENDPOINT}"
    if text.startswith("Credential "):
        return f"AWS cannot read what the signature is for; {_ANOTHER}the keys"
    return ""


def _answered(response: Mapping[str, Any]) -> tuple[str, str, int]:
    """Return code, text and HTTP status of an error; what answers need not be AWS, and botocore checks no types."""
    error, metadata = (response.get(name) or {} for name in ("Error", "ResponseMetadata"))
    code, text = (error.get(name) if isinstance(error, Mapping) else "" for name in ("Code", "Message"))
    status = metadata.get("HTTPStatusCode") if isinstance(metadata, Mapping) else 0
    return (
        str(code) if isinstance(code, (str, int)) else "",
        text if isinstance(text, str) else "",
        status if isinstance(status, int) else 0,
    )


def reason_of(error: BaseException | None) -> str:
    """Return the reason for an exception of boto3, or of what it stands on; the name of its class if there is none."""
    names = [kind.__name__ for kind in type(error).__mro__]
    found = next((name for name in names if name in _BY_CLASS), "")
    if found:
        return _BY_CLASS[found]
    if "BotoCoreError" in names:
        return type(error).__name__
    if isinstance(error, TimeoutError):
        return reasons.TIMED_OUT
    if isinstance(error, (OSError, MemoryError)) or _is_about_threads(error):
        return reasons.SYSTEM_ERROR
    # Of urllib3, and of what makes its URLs.
    if "HTTPError" in names:
        return reasons.UNREACHABLE
    if isinstance(error, ValueError) and re.search(r"endpoint|URL|[Pp]ort\b|netloc", str(error)):
        return reasons.INVALID_ENDPOINT
    return type(error).__name__


def remedy_of(error: BaseException, authority: str = AWS_AUTHORITY) -> str:
    """Return what to do about such an exception, with the file, profile, region or variable that it is about.

    authority is where the CA stands that counts.
    """
    reason, names = reason_of(error), [kind.__name__ for kind in type(error).__mro__]
    if reason == reasons.SYSTEM_ERROR:
        return _system_remedy(error)
    if "ProxyConnectionError" in names:
        return _proxy_remedy(error)
    if reason == reasons.CERTIFICATE_NOT_TRUSTED and (told := describe_tls_failure(error, authority)):
        return told
    found = next((name for name in (reason, *names) if name in REMEDIES), "")
    remedy = REMEDIES[found] if found else _DEFAULT_FAILURE
    kept = getattr(error, "kwargs", {})
    about = [str(kept[name]) for name in _TOLD if isinstance(kept.get(name), str) and _NAME.fullmatch(kept[name])]
    return f"{about[0]}: {remedy}" if about else remedy


def _system_remedy(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno:
        limit = _words_of(error) + ("" if error.errno in _LIMITS else "; check what names it, and its rights")
        return f"{error.filename}: {limit}" if isinstance(error.filename, str) else limit
    if isinstance(error, MemoryError):
        return _LIMITS[errno.ENOMEM]
    if _is_about_threads(error):
        return "no more threads can be started; raise the limit of processes"
    return REMEDIES[reasons.SYSTEM_ERROR]


def _is_about_threads(error: BaseException | None) -> bool:
    return isinstance(error, RuntimeError) and "start new thread" in str(error)


def file_remedy(error: OSError, environ: Mapping[str, str]) -> str:
    """Return which file cannot be used in the search for credentials, the variable of environ that names it, and what
    to do. The name of a file or program is no secret; its content and arguments may be.
    """
    if not isinstance(error.filename, str):
        return f"a file cannot be read or written ({_words_of(error)}); {_SETTINGS}"
    names = (name for name, value in sorted(environ.items()) if name.startswith("AWS_") and value == error.filename)
    variable = next(names, "")
    told = f"{error.filename}: {_words_of(error)}"
    if not variable:
        return f"{told}; check the AWS_... variable or the shared file that names it"
    return f"{told}; {variable} names it: {_FILES.get(variable, 'correct or unset it')}"


def _words_of(error: OSError) -> str:
    """Return the system's words for the number of an error; those in the error can be anybody's."""
    return _LIMITS.get(error.errno, os.strerror(error.errno)) if error.errno else type(error).__name__


def metadata_remedy(error: BaseException, check: str) -> str:
    """Return why a server that is no API of AWS gave no credentials, and then what to check."""
    way = _error_on_the_way(error)
    if way is not None and type(way).__name__ == "ProxyConnectionError":
        return _proxy_remedy(way)
    if way is not None:
        return f"{_WAYS.get(reason_of(way), 'no connection')}; {check}"
    status = re.search(r"non 200 response (\d{3}) ", str(error))
    if status:
        return f"it answered with status {status[1]}; {check}"
    causes = (cause for text, cause in _CAUSES.items() if str(error).startswith(text))
    return f"{next(causes, 'it gave no credentials')}; {check}"


def metadata_may_come(error: BaseException) -> bool:
    """Return whether such a server may give credentials at another attempt: it was not there, or had a fault."""
    return _error_on_the_way(error) is not None or re.search(r"non 200 response 5\d\d ", str(error)) is not None


def _error_on_the_way(error: BaseException) -> BaseException | None:
    """Return what kept an answer from coming, None if one came.

    botocore says in a text alone why it cannot read metadata, but Python keeps what it was about then.
    """
    way: BaseException | None = error
    while way is not None and not _is_on_the_way(way):
        way = way.__context__
    return way


def _is_on_the_way(error: BaseException) -> bool:
    names = [kind.__name__ for kind in type(error).__mro__]
    return "BotoCoreError" in names and ("ConnectionError" in names or "HTTPClientError" in names)


def _proxy_remedy(error: BaseException) -> str:
    """Return what to do about botocore's ProxyConnectionError, which a proxy that refuses causes, too.

    It holds the URL of the proxy, and not the one that was called.
    """
    proxy = origin_of(getattr(error, "kwargs", {}).get("proxy_url"))
    return (
        f"the proxy {f'{proxy} ' if proxy else ''}gives no connection; check HTTPS_PROXY and NO_PROXY, and which hosts "
        "the proxy lets through"
    )
