"""STS for the tests: who may assume a role, with which answer, and which refusal.

Errors and their texts are those of https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html,
API_AssumeRoleWithWebIdentity.html and CommonErrors.html, and of what people report from AWS. One URL stands for all
partitions: a role is had in that of the signature's region, by a web identity (which has no signature) in any.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from base64 import b32encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from tests.support.aws.iam import Caller, Directory, Principal, Role, Session, TrustPolicy
from tests.support.aws.refusal import Refused
from tests.support.aws.web_identity import verify

WEB_IDENTITY = "AssumeRoleWithWebIdentity"
"""The action that is not signed: its token takes the place of keys."""

_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_VERSION = "2011-06-15"
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):role/(?P<name>[\w+=,.@/-]+)")
_MIN_SECONDS = 900
# Of a role whose maximum nobody raised, and of any that is assumed by a role.
_MAX_SECONDS = 3600
_PATTERNS = {
    "RoleSessionName": (r"[\w+=,.@-]*", 2, 64),
    "ExternalId": (r"[\w+=,.@:\/-]*", 2, 1224),
}
# A service with JSON and one with queries name the same errors differently (the CommonErrors of either).
_QUERY_ERRORS = {
    "UnrecognizedClientException": ("InvalidClientTokenId", 403),
    "InvalidSignatureException": ("SignatureDoesNotMatch", 403),
    "IncompleteSignatureException": ("IncompleteSignature", 400),
    "MissingAuthenticationTokenException": ("MissingAuthenticationToken", 403),
    "ExpiredTokenException": ("ExpiredToken", 403),
}

_Content = Mapping[str, "str | _Content"]


def as_query_error(refusal: Refused) -> Refused:
    """Return what STS says where a service with JSON refuses a signature so."""
    code, status = _QUERY_ERRORS.get(refusal.code, (refusal.code, refusal.status))
    return Refused(code, str(refusal), status)


def error_xml(refusal: Refused) -> str:
    """Return the body of an answer that is an error."""
    side = "Receiver" if refusal.status >= 500 else "Sender"
    error = {"Type": side, "Code": refusal.code, "Message": str(refusal)}
    return _xml("ErrorResponse", {"Error": error, "RequestId": str(uuid.uuid4())})


def answer(directory: Directory, parameters: Mapping[str, str], caller: Caller | None, region: str) -> str:
    """Return the body of the answer to the action that the parameters ask for.

    `caller` is who signed, in the scope of that region; None for WEB_IDENTITY. Raises Refused.
    """
    action, version = parameters.get("Action", ""), parameters.get("Version", "")
    result: _Content
    if version == _VERSION and action == WEB_IDENTITY:
        result = _assume_with_web_identity(directory, parameters)
    elif version == _VERSION and action == "AssumeRole" and caller:
        result = _assume(directory, parameters, caller, region)
    elif version == _VERSION and action == "GetCallerIdentity" and caller:
        result = {"Arn": caller.arn(region), "UserId": _user_id(caller), "Account": caller.account}
    else:
        raise Refused("InvalidAction", f"Could not find operation {action} for version {version}")
    metadata = {"RequestId": str(uuid.uuid4())}
    return _xml(f"{action}Response", {f"{action}Result": result, "ResponseMetadata": metadata})


def _assume(directory: Directory, parameters: Mapping[str, str], caller: Caller, region: str) -> _Content:
    _check_patterns(parameters)
    arn = parameters.get("RoleArn", "")

    def trusts(role: Role, policy: TrustPolicy) -> bool:
        knows = caller.trusted_as in policy.principals and role.arn(region) == arn
        return knows and policy.external_id in (None, parameters.get("ExternalId"))

    refusal = f"User: {caller.arn(region)} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    role = _role(directory, arn, trusts, refusal)
    life = _life(parameters, is_chained=isinstance(caller, Session))
    session = directory.new_session(role, parameters["RoleSessionName"], life)
    return _session_content(session, session.arn(region))


def _assume_with_web_identity(directory: Directory, parameters: Mapping[str, str]) -> _Content:
    _check_patterns(parameters)
    identity = verify(parameters.get("WebIdentityToken", ""), directory.providers(), datetime.now(UTC))

    def trusts(_role: Role, policy: TrustPolicy) -> bool:
        return identity.subject in policy.subjects

    arn = parameters.get("RoleArn", "")
    role = _role(directory, arn, trusts, f"Not authorized to perform sts:{WEB_IDENTITY}")
    session = directory.new_session(role, parameters["RoleSessionName"], _life(parameters))
    provider = f"oidc-provider/{identity.issuer.removeprefix('https://')}"
    prefix = arn.partition(":iam:")[0]
    return {
        **_session_content(session, f"{prefix}:sts:{session.arn('').partition(':sts:')[2]}"),
        "SubjectFromWebIdentityToken": identity.subject,
        "Audience": identity.audience,
        "Provider": f"{prefix}:iam::{role.account}:{provider}",
    }


def _role(directory: Directory, arn: str, trusts: Callable[[Role, TrustPolicy], bool], refusal: str) -> Role:
    """Return the role if it trusts; AWS tells no difference between one that does not and one that is not."""
    named = _ROLE_ARN.fullmatch(arn)
    if named is None:
        raise Refused("ValidationError", f"{arn} is invalid")
    found = directory.role(named["account"], named["name"])
    if found is None or not trusts(*found):
        raise Refused("AccessDenied", refusal, 403)
    return found[0]


def _check_patterns(parameters: Mapping[str, str]) -> None:
    for name, (pattern, least, most) in _PATTERNS.items():
        value = parameters.get(name)
        if value is None:
            continue
        if not re.fullmatch(pattern, value, re.ASCII):
            _refuse_value(name, value, f"satisfy regular expression pattern: {pattern}")
        if len(value) < least:
            _refuse_value(name, value, f"have length greater than or equal to {least}")
        if len(value) > most:
            _refuse_value(name, value, f"have length less than or equal to {most}")


def _life(parameters: Mapping[str, str], is_chained: bool = False) -> timedelta:
    seconds = int(parameters.get("DurationSeconds", "3600"))
    if seconds < _MIN_SECONDS:
        _refuse_value("DurationSeconds", str(seconds), f"have value greater than or equal to {_MIN_SECONDS}")
    if seconds > _MAX_SECONDS:
        limit = "1 hour session limit for roles assumed by role chaining"
        limit = limit if is_chained else "MaxSessionDuration set for this role"
        raise Refused("ValidationError", f"The requested DurationSeconds exceeds the {limit}.")
    return timedelta(seconds=seconds)


def _refuse_value(name: str, value: str, constraint: str) -> None:
    name = name[0].lower() + name[1:]
    failed = f"Value '{value}' at '{name}' failed to satisfy constraint: Member must {constraint}"
    raise Refused("ValidationError", f"1 validation error detected: {failed}")


def _session_content(session: Session, arn: str) -> dict[str, str | _Content]:
    return {
        "Credentials": {
            "AccessKeyId": session.access_key,
            "SecretAccessKey": session.secret_key,
            "SessionToken": session.session_token,
            "Expiration": f"{session.expires_at:%Y-%m-%dT%H:%M:%SZ}",
        },
        "AssumedRoleUser": {"AssumedRoleId": _user_id(session), "Arn": arn},
    }


def _user_id(caller: Caller) -> str:
    if isinstance(caller, Principal):
        return f"AIDA{_id(caller.trusted_as)}"
    return f"AROA{_id(caller.trusted_as)}:{caller.name}"


def _id(name: str) -> str:
    return b32encode(hashlib.sha256(name.encode()).digest()).decode()[:17]


def _xml(name: str, content: _Content) -> str:
    root = ElementTree.Element(name, {"xmlns": _NAMESPACE})
    _fill(root, content)
    return ElementTree.tostring(root, encoding="unicode")


def _fill(parent: ElementTree.Element, content: _Content) -> None:
    for name, value in content.items():
        child = ElementTree.SubElement(parent, name)
        if isinstance(value, str):
            child.text = value
        else:
            _fill(child, value)
