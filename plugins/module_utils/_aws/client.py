# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The AWS backend: the calls to STS, ECR and ECR Public, and their errors worded for a person.

What always holds: keys that are given win alone - nothing of the environment or of ~/.aws is mixed in but
proxies, CA bundle and the choice of dual-stack or FIPS endpoints; every call ends (time-outs, bounded retries);
no text of botocore's exceptions goes out, because that of an HTTP client error can print the Authorization
header, and no external ID.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import urlsplit
from urllib.request import getproxies

from .registries import Partition, TokenCall

try:
    import boto3
    import botocore.config
    import botocore.exceptions
    import botocore.loaders
    import botocore.parsers
    import botocore.session
except ImportError:  # reported by _features.runtime.missing_libraries, by name, when a task runs
    boto3 = None

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 10
ATTEMPTS = 3
PARALLEL = 8
SESSION_NAME = "kube-ecr-secrets"

_SERVICES = {"ecr": "ECR", "ecr-public": "ECR Public", "sts": "STS"}
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html and
# https://docs.aws.amazon.com/AmazonECR/latest/public/public-registry-auth.html
_PERMISSIONS = {
    "ecr": "ecr:GetAuthorizationToken",
    "ecr-public": "ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken",
}
_DEFAULT_REMEDY = "AWS refused the call"
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
    "AccessDeniedException": "the IAM principal lacks a permission",
    "InvalidIdentityToken": "AWS does not accept the web identity token",
    "IDPCommunicationError": (
        "AWS could not read the keys of the web identity token's issuer; make its discovery document and keys public"
    ),
    "RegionDisabledException": "STS is not active in this region for the account; enable it in the account's settings",
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
    "CredentialRetrievalError": (
        "the program that gives the credentials (credential_process) failed; run it by hand to see why"
    ),
    "MetadataRetrievalError": "the credentials of the container or instance could not be read; check its role",
    "NoRegion": "region is missing; give an AWS region such as eu-west-1, or set AWS_REGION",
    "InvalidEndpoint": "endpoint_url is not a valid URL",
    "MalformedAnswer": (
        "the answer cannot be read (an expiresAt that is no time, say); if the endpoint is none of AWS, check it"
    ),
}
_ALIASES = {
    "InvalidClientTokenId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "ExpiredToken": "ExpiredTokenException",
    "IDPCommunicationErrorException": "IDPCommunicationError",
    "InvalidIdentityTokenException": "InvalidIdentityToken",
    "AccessDenied": "AccessDeniedException",
    "RequestTimeTooSkewed": "ClockSkew",
    "RequestExpired": "ClockSkew",
    "Throttling": "ThrottlingException",
    "TooManyRequestsException": "ThrottlingException",
    "RequestLimitExceeded": "ThrottlingException",
}


class AWSError(Exception):
    """A call to AWS came to nothing.

    call says which; reason is AWS' error code or a word of ours in the same form; the message is for a person
    and holds no credential.
    """

    def __init__(self, call: str, reason: str, remedy: str = "") -> None:
        self.reason = reason
        super().__init__(f"AWS {call}: {reason}: {remedy or _REMEDIES.get(reason, _DEFAULT_REMEDY)}")


@dataclass(frozen=True)
class Credentials:
    """How to reach AWS: explicit keys, a web identity token with the role that it assumes, a profile, or else
    boto3's own chain; and a role to assume on top of any of them. region is that of the calls to STS."""

    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    web_identity_token: str | None = field(default=None, repr=False)
    web_identity_role_arn: str | None = None
    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = field(default=None, repr=False)
    role_session_name: str = SESSION_NAME
    endpoint_url: str | None = None


class Calls:
    """What was asked of AWS and how it was answered, each attempt for itself; may be used in several threads.

    Calls that boto3 makes by itself to find credentials (IRSA, SSO) are among them; those to the endpoints of
    containers and instances go to no API of AWS, and are not.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def note(self, parsed_response: dict | None, exception: Exception | None, event_name: str, **_kwargs) -> None:
        """Take botocore's event response-received.SERVICE.OPERATION, which tells of one attempt."""
        operation = ":".join(event_name.split(".")[1:])
        if exception is not None or parsed_response is None:
            code = _reason_of(exception)
        else:
            code = _reason_in(parsed_response) if "Error" in parsed_response else "OK"
        with self._lock:
            self._counts[operation, code] += 1

    def told(self) -> list[dict]:
        """Return operation (such as ecr:GetAuthorizationToken), code (OK, or the reason) and count, sorted."""
        with self._lock:
            counts = sorted(self._counts.items())
        return [{"operation": operation, "code": code, "count": count} for (operation, code), count in counts]


class Session:
    """Credentials in use; connect() gives it."""

    def __init__(self, credentials: Credentials, calls: Calls) -> None:
        """Nothing is called yet; what will be is noted in calls. Raises AWSError if there is no such profile."""
        self._explicit = credentials.access_key is not None or credentials.web_identity_token is not None
        self._endpoint_url = credentials.endpoint_url
        self._keys = {
            "aws_access_key_id": credentials.access_key,
            "aws_secret_access_key": credentials.secret_key,
            "aws_session_token": credentials.session_token,
        }
        botocore_session = _botocore_session(isolated=self._explicit)
        botocore_session.register("response-received", calls.note)
        with _told("session"):
            self._session = boto3.session.Session(
                botocore_session=botocore_session,
                profile_name=credentials.profile,
                region_name=credentials.region,
            )

    @property
    def region(self) -> str | None:
        """The region that was given, or else that of the environment or the profile."""
        return self._session.region_name

    def reached(self, call: TokenCall) -> TokenCall:
        """Return the call that is made for this one: an endpoint that is given is the only one there is."""
        return replace(call, fips=False, dual_stack=False) if self._endpoint_url else call

    def client(self, service: str, region: str | None = None, **settings):
        """Return a client of boto3 for a service, with the credentials of this session."""
        config = botocore.config.Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            ignore_configured_endpoint_urls=self._explicit,
            proxies={} if _is_direct(self._endpoint_url, getproxies().get("no", "")) else None,
            **settings,
        )
        return self._session.client(
            service, region_name=region, endpoint_url=self._endpoint_url, config=config, **self._keys
        )

    def assume(self, answer: dict) -> None:
        """Go on with the temporary credentials in an answer of STS."""
        keys = answer["Credentials"]
        self._keys = {
            "aws_access_key_id": keys["AccessKeyId"],
            "aws_secret_access_key": keys["SecretAccessKey"],
            "aws_session_token": keys["SessionToken"],
        }


def _is_direct(endpoint_url: str | None, no_proxy: str) -> bool:
    """Return whether an endpoint is an address in a network that NO_PROXY names: botocore (1.44) knows names alone."""
    try:
        address = ipaddress.ip_address(urlsplit(endpoint_url or "").hostname or "")
    except ValueError:
        return False
    return any(address in network for network in _networks(no_proxy))


def _networks(no_proxy: str) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for each in no_proxy.split(","):
        try:
            yield ipaddress.ip_network(each.strip(), strict=False)
        except ValueError:
            continue


@contextmanager
def _told(call: str, about: str = "", remedy: str = "") -> Iterator[None]:
    """Turn what botocore raises inside into AWSError, which names the call and what it is about.

    remedy is what to do when the call itself is refused.
    """
    try:
        yield
    except botocore.exceptions.ClientError as error:
        # The chain of boto3 calls STS by itself before what was asked for.
        if not call.endswith(error.operation_name):
            call, about, remedy = f"STS {error.operation_name}", "", ""
        raise _refusal(f"{call}{about}", error, remedy) from None
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        reason = _reason_of(error)
        default = "boto3 found no usable credentials or settings; check the environment and shared files"
        raise AWSError(call, reason, _REMEDIES.get(reason, default)) from None


@contextmanager
def _read(call: str) -> Iterator[None]:
    """Turn what botocore (1.44) lets through when it reads what is no answer of AWS into AWSError.

    That is what Python says of a list where an object should be, of a time that is none, of a year that there is not.
    """
    try:
        yield
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
        botocore.parsers.ResponseParserError,
    ):
        raise AWSError(call, "MalformedAnswer") from None


def _refusal(call: str, error, remedy: str) -> AWSError:
    reason, text = _reason_in(error.response), error.response.get("Error", {}).get("Message", "")
    if reason == "AccessDeniedException":
        return AWSError(call, reason, _denial(text, remedy) or remedy)
    if reason == "InvalidIdentityToken" and remedy:
        return AWSError(call, reason, f"{_REMEDIES[reason]}; {remedy}")
    return AWSError(call, reason)


def connect(credentials: Credentials, calls: Calls) -> Session:
    """Return a session of the identity that credentials describe, its roles assumed. Raises AWSError.

    All that is asked of AWS, now and by the session later, is noted in calls.
    """
    session = Session(credentials, calls)
    name = credentials.role_session_name
    if credentials.web_identity_token is not None:
        role, token = credentials.web_identity_role_arn, credentials.web_identity_token
        call = "STS AssumeRoleWithWebIdentity"
        with _told(call, f" of {role}", _trust_wanted(role, token)), _read(call):
            session.assume(
                session.client("sts", signature_version=botocore.UNSIGNED).assume_role_with_web_identity(
                    RoleArn=role, RoleSessionName=name, WebIdentityToken=token
                )
            )
    if credentials.role_arn:
        role, external_id = credentials.role_arn, credentials.external_id
        remedy = (
            "allow it there, and name the principal in the trust policy of the role, with "
            f"{'this' if external_id else 'no'} external ID"
        )
        with _told("STS AssumeRole", f" of {role}", remedy), _read("STS AssumeRole"):
            extra = {"ExternalId": external_id} if external_id else {}
            session.assume(session.client("sts").assume_role(RoleArn=role, RoleSessionName=name, **extra))
    return session


def get_authorization_tokens(session: Session, calls: Iterable[TokenCall]) -> dict[TokenCall, dict | AWSError]:
    """Return what AWS answers to each call, as boto3 gives it, or the error that became of it.

    The calls are made side by side, so that a region that does not answer costs the others nothing: all take at
    most about ATTEMPTS * (CONNECT_TIMEOUT + READ_TIMEOUT) seconds.
    """
    answers: dict[TokenCall, dict | AWSError] = {}
    clients = {}
    for call in calls:
        try:
            # Making clients is not safe in threads, using them is.
            with _told(_name(call)):
                clients[call] = session.client(call.service, call.region, **_endpoint(call))
        except AWSError as error:
            answers[call] = error
    if clients:
        with ThreadPoolExecutor(min(PARALLEL, len(clients))) as pool:
            answers.update(zip(clients, pool.map(_get_authorization_token, clients, clients.values())))
    return answers


def _get_authorization_token(call: TokenCall, client) -> dict | AWSError:
    try:
        remedy = f"allow it {_PERMISSIONS[call.service]} on resource *"
        with _told(_name(call), f" in {call.region}", remedy), _read(_name(call)):
            return client.get_authorization_token()
    except AWSError as error:
        return error


def _name(call: TokenCall) -> str:
    return f"{_SERVICES[call.service]} GetAuthorizationToken"


def _endpoint(call: TokenCall) -> dict[str, bool]:
    """What is not wanted is left to the settings of the environment, which may want it for all calls."""
    wanted = {"use_fips_endpoint": call.fips, "use_dualstack_endpoint": call.dual_stack}
    return {name: True for name, is_wanted in wanted.items() if is_wanted}


@lru_cache(maxsize=1)
def partitions() -> tuple[Partition, ...]:
    """Return the partitions of AWS, from botocore's data."""
    data = _loader(None).load_data("partitions")
    return tuple(
        Partition(
            each["id"], each["regionRegex"], each["outputs"]["dnsSuffix"], each["outputs"].get("dualStackDnsSuffix", "")
        )
        for each in data["partitions"]
    )


def _botocore_session(*, isolated: bool):
    """Return a session of its own, for botocore's default one is shared, and keeps credentials.

    An isolated one reads neither AWS_PROFILE nor the shared files: a profile that does not exist would otherwise
    fail the call although keys are given (measured with botocore 1.44).
    """
    nothing = (None, None, None, None)
    names = ("profile", "config_file", "credentials_file") if isolated else ()
    session = botocore.session.Session(session_vars=dict.fromkeys(names, nothing))
    # What older versions call by default, sts.amazonaws.com, gives sessions that newer regions refuse.
    # https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html
    session.set_config_variable("sts_regional_endpoints", "regional")
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


@lru_cache(maxsize=4)
def _loader(data_path: str | None):
    """Return botocore's loader of models and endpoints, which keeps what it has read: 0.15 s for each session else."""
    return botocore.loaders.create_loader(data_path)


def load_ahead() -> None:
    """Read what calls to STS, ECR and ECR Public need, for processes that are forked from this one."""
    session = boto3.session.Session(
        aws_access_key_id="-", aws_secret_access_key="-", botocore_session=_botocore_session(isolated=True)
    )
    for service in ("ecr", "ecr-public", "sts"):
        session.client(service, region_name="us-east-1")


def _reason_in(response: dict) -> str:
    """Return the reason for an error that AWS answered, in one word whatever it is."""
    code = response.get("Error", {}).get("Code", "")
    text = response.get("Error", {}).get("Message", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    reason = _ALIASES.get(code, code)
    if reason == "InvalidSignatureException" and re.match(r"Signature (expired|not yet current)", text):
        reason = "ClockSkew"
    if reason not in _REMEDIES and status >= 500:
        reason = "ServerError"
    return reason if re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", reason) else "UnknownError"


_DENIAL = re.compile(
    r"User: (?P<principal>arn:[\w:/+=,.@-]+) is not authorized to perform: (?P<action>[a-z0-9-]+:[A-Za-z]+)"
    r"(?: on resource: (?P<resource>arn:[\w:/+=,.@*-]+|\*))?"
    r"(?:.* with an explicit deny in (?P<policy>an? [a-z -]+ policy|a permissions boundary))?",
    re.ASCII | re.DOTALL,
)


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


def _trust_wanted(role: str | None, token: str) -> str:
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


def _reason_of(error: Exception | None) -> str:
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
