"""Signature Version 4, made again with the secret of whoever a request names, and refused in ECR's words.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from werkzeug.wrappers import Request

from tests.support.aws.iam import Caller, Directory, Session
from tests.support.aws.refusal import Refused

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<access_key>[^/,]+)/(?P<date>\d{8})/(?P<region>[^/,]+)/(?P<service>[^/,]+)"
    r"/aws4_request, ?SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_MAX_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Claim:
    """What the Authorization header of a request says."""

    access_key: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str


def claim_of(request: Request) -> Claim | None:
    """Return what the request claims, None where it is not signed in the way of AWS."""
    found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    if found is None:
        return None
    access_key, region, service, headers, signature = found.group(
        "access_key", "region", "service", "headers", "signature"
    )
    return Claim(access_key, region, service, tuple(headers.split(";")), signature)


def authenticate(request: Request, claim: Claim | None, service: str, directory: Directory) -> Caller:
    """Return who signed the request for that service; raises Refused."""
    if claim is None:
        if "Authorization" not in request.headers:
            raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token")
        raise Refused("IncompleteSignatureException", "The Authorization header is not one of AWS4-HMAC-SHA256")
    caller = directory.caller(claim.access_key)
    # A session token belongs to temporary keys; beside those of a user, AWS does not know it.
    expected = caller.session_token if isinstance(caller, Session) else None
    if caller is None or request.headers.get("X-Amz-Security-Token") != expected:
        raise Refused("UnrecognizedClientException", "The security token included in the request is invalid.")
    now = datetime.now(UTC)
    if isinstance(caller, Session) and caller.expires_at <= now:
        raise Refused("ExpiredTokenException", "The security token included in the request is expired")
    if claim.service != service:
        raise Refused("InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'.")
    _check_clock(request.headers.get("X-Amz-Date", ""), now)
    if not hmac.compare_digest(_signature(request, claim, caller), claim.signature):
        raise Refused(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS "
            "Secret Access Key and signing method. Consult the service documentation for details.",
        )
    return caller


def _check_clock(date: str, now: datetime) -> None:
    """Refuse what AWS refuses: a request that was signed more than five minutes ago or ahead."""
    try:
        signed_at = datetime.strptime(date, SIGV4_TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        raise Refused("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.") from None
    moment = f"{now:{SIGV4_TIMESTAMP}}"
    if signed_at < (limit := now - _MAX_SKEW):
        complaint = f"Signature expired: {date} is now earlier than {limit:{SIGV4_TIMESTAMP}} ({moment} - 5 min.)"
    elif signed_at > (limit := now + _MAX_SKEW):
        complaint = (
            f"Signature not yet current: {date} is still later than {limit:{SIGV4_TIMESTAMP}} ({moment} + 5 min.)"
        )
    else:
        return
    raise Refused("InvalidSignatureException", complaint)


def _signature(request: Request, claim: Claim, caller: Caller) -> str:
    """Return what the request's signature would be if that caller had made it."""
    copy = AWSRequest(
        method=request.method,
        url=f"http://{request.host}{request.environ['RAW_URI']}",
        headers={name: request.headers.get(name, "") for name in claim.headers},
        data=request.get_data(),
    )
    if "x-amz-content-sha256" in claim.headers:  # botocore would take the request's word for it
        copy.headers.replace_header("x-amz-content-sha256", hashlib.sha256(request.get_data()).hexdigest())
    copy.context["timestamp"] = request.headers["X-Amz-Date"]
    keys = Credentials(caller.access_key, caller.secret_key)
    signer = SigV4Auth(keys, claim.service, claim.region)
    return signer.signature(signer.string_to_sign(copy, signer.canonical_request(copy)), copy)
