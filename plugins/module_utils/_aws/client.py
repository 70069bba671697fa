# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The calls to STS, ECR and ECR Public: the roles of an identity are assumed, and tokens are got side by side."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from functools import partial

from .._contract import reasons
from .._contract.aws_requests import AwsRequest, service_name
from .._contract.login_request import LoginRequest
from .authorizations import Authorization, LoginError, MalformedAnswer, from_answer
from .errors import WEB_IDENTITY, AWSError, trust_wanted
from .registries import RegistryError, TokenCall, token_call
from .session import Calls, Credentials, Session, partitions

try:
    import botocore
except ImportError:  # reported by _features.runtime.missing_libraries, by name, when a task runs
    botocore = None

PARALLEL = 8
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html and
# https://docs.aws.amazon.com/AmazonECR/latest/public/public-registry-auth.html
_PERMISSIONS = {
    "ecr": "ecr:GetAuthorizationToken",
    "ecr-public": "ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken",
}


def connect(credentials: Credentials, calls: Calls) -> Session:
    """Return a session of the identity that credentials describe, its roles assumed. Raises AWSError.

    All that is asked of AWS, now and by the session later, is noted in calls.
    """
    session = Session(credentials, calls)
    name = credentials.role_session_name
    if credentials.web_identity_token is not None:
        role, token = credentials.web_identity_role_arn, credentials.web_identity_token
        with session.asking(WEB_IDENTITY, f" of {role}", trust_wanted(role, token)):
            session.assume(
                session.client("sts", signature_version=botocore.UNSIGNED).assume_role_with_web_identity(
                    RoleArn=role, RoleSessionName=name, WebIdentityToken=token
                )
            )
    if credentials.role_arn:
        session.find_credentials()
        role, external_id = credentials.role_arn, credentials.external_id
        remedy = (
            "allow it there, and name the principal in the trust policy of the role, with "
            f"{'this' if external_id else 'no'} external ID"
        )
        with session.asking("STS AssumeRole", f" of {role}", remedy):
            extra = {"ExternalId": external_id} if external_id else {}
            session.assume(session.client("sts").assume_role(RoleArn=role, RoleSessionName=name, **extra))
    return session


def get_logins(session: Session, requests: Iterable[LoginRequest]) -> tuple[list[Authorization], list[LoginError]]:
    """Return the logins that AWS grants for what is requested, and why others are missing.

    Raises AWSError if boto3's data cannot be read.
    """
    errors, calls = [], {}
    with session.asking("ECR"):
        known = partitions()
    for request in requests:
        try:
            calls[request] = session.reached(token_call(request, session.region or "", known))
        except RegistryError as error:
            errors.append(LoginError(request, reasons.INVALID_REGISTRY, f"registries: {error}"))
    answers = get_authorization_tokens(session, dict.fromkeys(calls.values()))
    now = datetime.now(timezone.utc)
    granted = []
    for request, call in calls.items():
        answer = answers[call]
        if isinstance(answer, AWSError):
            errors.append(LoginError(request, answer.reason, str(answer)))
            continue
        try:
            granted.append(from_answer(answer, request, now))
        except MalformedAnswer as error:
            named = str(AwsRequest(_name(call), "", call.region))
            told = AWSError(
                named, reasons.MALFORMED_ANSWER, f"{error}; check what answers there, and proxies before it"
            )
            errors.append(LoginError(request, told.reason, str(told)))
    return granted, errors


def get_authorization_tokens(session: Session, calls: Iterable[TokenCall]) -> dict[TokenCall, dict | AWSError]:
    """Return what AWS answers to each call, as boto3 gives it, or the error that became of it.

    The calls are made side by side, so that a region that does not answer costs the others nothing: all take at
    most about PATIENCE + CONNECT_TIMEOUT + READ_TIMEOUT seconds. The credentials of the runner or controller itself
    are found before, once for all; if there are none, that is the error of each call.
    """
    wanted = list(calls)
    if not wanted:
        return {}
    try:
        session.find_credentials(wanted[0].region)
    except AWSError as error:
        return dict.fromkeys(wanted, error)
    answers: dict[TokenCall, dict | AWSError] = {}
    clients = {}
    for call in wanted:
        try:
            with _asking(session, call):
                clients[call] = session.client(call.service, call.region, **_endpoint(call))
        except AWSError as error:
            answers[call] = error
    ask = partial(_get_authorization_token, session)
    if len(clients) == 1:
        answers.update({call: ask(call, client) for call, client in clients.items()})
    elif clients:
        with ThreadPoolExecutor(min(PARALLEL, len(clients))) as pool:
            answers.update(zip(clients, pool.map(ask, clients, clients.values())))
    return answers


def _get_authorization_token(session: Session, call: TokenCall, client) -> dict | AWSError:
    try:
        with _asking(session, call):
            return client.get_authorization_token()
    except AWSError as error:
        return error


def _asking(session: Session, call: TokenCall) -> AbstractContextManager[None]:
    remedy = f"allow it {_PERMISSIONS[call.service]} on resource *"
    return session.asking(_name(call), "", remedy, call.region)


def _name(call: TokenCall) -> str:
    return f"{service_name(call.service)} GetAuthorizationToken"


def _endpoint(call: TokenCall) -> dict[str, bool]:
    """What is not wanted is left to the settings of the environment, which may want it for all calls."""
    wanted = {"use_fips_endpoint": call.fips, "use_dualstack_endpoint": call.dual_stack}
    return {name: True for name, is_wanted in wanted.items() if is_wanted}
