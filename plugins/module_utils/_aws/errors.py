# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of a call to AWS, worded for a person: the exception AWSError, which names service, region and host.

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
from dataclasses import replace

from .._contract import reasons
from .._contract.aws_errors import (
    DEFAULT_REMEDY,
    REMEDIES,
    reason_of,
    reason_of_answer,
    remedy_of,
    remedy_of_answer,
)
from .._contract.aws_requests import AwsRequest, LastRequest, origin_of
from .._contract.errors import ApiError
from .._contract.tls import AWS_AUTHORITY

try:
    import botocore.exceptions
except ImportError:  # reported by _features.runtime.missing_libraries, by name, when a task runs
    botocore = None

WEB_IDENTITY = "STS AssumeRoleWithWebIdentity"
# What AWS may have against a web identity token.
_OF_A_WEB_IDENTITY = {
    reasons.EXPIRED_TOKEN: (
        "the web identity token has expired by AWS' clock; compare the clock of the API server that issued it, and if "
        "it stands in a file, who renews that"
    ),
    reasons.INVALID_IDENTITY_TOKEN: REMEDIES[reasons.INVALID_IDENTITY_TOKEN],
    "IDPRejectedClaim": REMEDIES["IDPRejectedClaim"],
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
    and holds no credential. is_away says that what was asked may answer in a few seconds, and nobody has waited yet.
    """

    is_away = False

    def __init__(self, call: str, reason: str, remedy: str = "") -> None:
        self.reason = reason
        super().__init__(f"AWS {call}: {reason}: {remedy or REMEDIES.get(reason, DEFAULT_REMEDY)}")


@contextmanager
def translated(
    call: str,
    about: str = "",
    remedy: str = "",
    last: LastRequest | None = None,
    region: str = "",
    authority: str = AWS_AUTHORITY,
) -> Iterator[None]:
    """Turn whatever is raised inside into AWSError, which names the call, what it is about, its region and the host.

    Inside is the code of boto3, and nothing of ours that could fail: what it raises is of botocore, urllib3, ssl, the
    file system, or of Python itself, where it reads what is no answer of AWS or a setting that is none.

    remedy is what to do when the call itself is refused. last knows the requests that are sent inside: a failure is
    that of the last one, which may be another than call, sent by boto3 to find credentials. authority is where the CA
    stands that counts.
    """
    last = last or LastRequest()
    last.forget()
    wanted = AwsRequest(f"{call}{about}", "", region)
    try:
        yield
    except AWSError:
        raise
    except botocore.exceptions.ClientError as error:
        request = last.request or AwsRequest(call, "", region)
        raise _refusal(_named(call, wanted, request), request, error, remedy if request.name == call else "") from None
    except Exception as error:  # noqa: BLE001 - its text may quote a key
        raise _failure(call, wanted, last.request, error, authority) from None


def _named(call: str, wanted: AwsRequest, request: AwsRequest | None, origin: str = "") -> str:
    """Return the request that failed, with what the call is about if it is the call itself.

    Where none was sent, return what was wanted, with the host that was asked if origin has it.
    """
    if request is None:
        return str(replace(wanted, origin=origin))
    if request.name == call:
        return str(replace(wanted, origin=request.origin, region=request.region or wanted.region))
    return str(request)


def _failure(call: str, wanted: AwsRequest, request: AwsRequest | None, error: Exception, authority: str) -> AWSError:
    reason, remedy = reason_of(error), remedy_of(error, authority)
    is_known = isinstance(error, botocore.exceptions.BotoCoreError) or reason in REMEDIES
    if request and (not is_known or reason == reasons.INVALID_ENDPOINT):
        # What Python says of a list where an object should be, of a time that is none, of a year that there is not.
        reason, remedy = reasons.MALFORMED_ANSWER, ""
    origin = origin_of(getattr(error, "kwargs", {}).get("endpoint_url"))
    return AWSError(_named(call, wanted, request, origin), reason, remedy)


def _refusal(named: str, request: AwsRequest, error, remedy: str) -> AWSError:
    reason, text = reason_of_answer(error.response), error.response.get("Error", {}).get("Message", "")
    if reason == reasons.ACCESS_DENIED:
        return AWSError(named, reason, _denial(text, remedy) or remedy)
    if reason in _OF_A_WEB_IDENTITY and request.name == WEB_IDENTITY:
        return AWSError(named, reason, f"{_OF_A_WEB_IDENTITY[reason]}{f'; {remedy}' if remedy else ''}")
    return AWSError(named, reason, remedy_of_answer(error.response))


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
