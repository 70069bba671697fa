# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ecr_token: the function that the module and its action plugin share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import env_fallback

from .._aws.access import check_external_id, check_role_arn, check_session_name
from .._aws.authorizations import Authorization, LoginError
from .._aws.client import connect, get_logins
from .._aws.client_config import checked_config, checked_verification
from .._aws.errors import AWSError
from .._aws.session import SESSION_NAME, Calls, Credentials
from .._contract import reasons
from .._contract.ecr_hosts import PUBLIC_HOSTS
from .._contract.grammar import check_region
from .._contract.login_request import LoginRequest
from .runtime import Feature

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "region": {
        "type": "str",
        "aliases": ["aws_region"],
        "fallback": (env_fallback, ["AWS_REGION", "AWS_DEFAULT_REGION"]),
    },
    "access_key": {"type": "str", "aliases": ["aws_access_key_id", "aws_access_key"], "no_log": True},
    "secret_key": {"type": "str", "aliases": ["aws_secret_access_key", "aws_secret_key"], "no_log": True},
    "session_token": {"type": "str", "aliases": ["aws_session_token"], "no_log": True},
    "web_identity_token": {"type": "str", "no_log": True},
    # The name of a file is no secret.
    "web_identity_token_file": {"type": "path", "no_log": False},
    "web_identity_role_arn": {"type": "str"},
    "profile": {"type": "str", "aliases": ["aws_profile"]},
    "role_arn": {"type": "str"},
    "external_id": {"type": "str", "no_log": True},
    "role_session_name": {"type": "str", "default": SESSION_NAME},
    "registries": {"type": "list", "elements": "str"},
    "public": {"type": "bool", "default": False},
    "endpoint_url": {"type": "str", "aliases": ["aws_endpoint_url"]},
    "validate_certs": {"type": "bool", "default": True},
    # amazon.aws falls back to AWS_CA_BUNDLE. botocore reads that by itself, and then what a profile says.
    "aws_ca_bundle": {"type": "path"},
    # The URL of a proxy may hold a password.
    "aws_config": {"type": "dict", "no_log": True},
}

_SECRETS = ("access_key", "secret_key", "session_token", "web_identity_token")
_OTHERS = ("web_identity_token_file", "web_identity_role_arn", "profile", "role_arn", "external_id")


def run(params: dict, check_mode: bool, diff_mode: bool) -> dict:
    """Ask AWS for authorization tokens; nothing is changed, so check mode makes no difference.

    params are validated options. Returns the result of the task (see RETURN of the module).
    """
    calls = Calls()
    try:
        result = _ask(params, calls)
    except AWSError as error:
        result = _result([], [LoginError(None, error.reason, str(error))])
    except ValueError as error:
        result = _result([], [LoginError(None, reasons.INVALID_OPTION, str(error))])
    return {**result, "calls": calls.as_list()}


def _ask(params: dict, calls: Calls) -> dict:
    credentials = _credentials(params)
    requests = _login_requests(params)
    session = connect(credentials, calls)
    if not requests and session.region is None:
        raise ValueError(_NO_REGION)
    return _result(*get_logins(session, requests or [LoginRequest(None, session.region)]))


_NO_REGION = "region: is missing; give an AWS region such as eu-west-1, or set AWS_REGION"


def _result(authorizations: Iterable[Authorization], errors: Iterable[LoginError]) -> dict:
    listed = [error.as_dict() for error in errors]
    granted = [authorization.as_dict() for authorization in authorizations]
    result = {"changed": False, "authorizations": granted, "errors": listed}
    if listed:
        result.update(failed=True, msg="; ".join(dict.fromkeys(str(error["msg"]) for error in listed)))
    return result


def _login_requests(params: dict) -> list[LoginRequest]:
    """Return which logins are wanted; none means the caller's own registry. Raises ValueError."""
    requests = [LoginRequest.parse(text) for text in params["registries"] or []]
    if params["public"]:
        own = [] if requests or not params["region"] else [LoginRequest(None, params["region"])]
        requests = [*own, *requests, LoginRequest(PUBLIC_HOSTS[0], None)]
    return list(dict.fromkeys(requests))


def _credentials(params: dict) -> Credentials:
    """Refuse what cannot be meant before any call. Raises ValueError naming the option.

    An option that is given but empty is refused too: it is a variable that was not set, and falling back
    to the ambient credentials would then use somebody else's rights.
    """
    given = {name: params[name] for name in (*_SECRETS, *_OTHERS) if params[name] is not None}
    if "web_identity_token_file" in given and "web_identity_token" not in given:
        given["web_identity_token"] = _content(given["web_identity_token_file"])
    for name, value in given.items():
        _check_text(name, value)
    _check_ways(given)
    if params["region"] is not None:
        check_region(params["region"])
    elif "access_key" in given or "web_identity_token" in given:
        raise ValueError(_NO_REGION)
    given.pop("web_identity_token_file", None)
    return Credentials(
        region=params["region"],
        role_session_name=check_session_name(params["role_session_name"], "role_session_name"),
        endpoint_url=params["endpoint_url"],
        verify=checked_verification(params["validate_certs"], params["aws_ca_bundle"]),
        client_config=checked_config(params["aws_config"]),
        **_with_roles(given),
    )


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"web_identity_token_file: {path} cannot be read, or holds no token") from None


def _check_text(name: str, value: str) -> None:
    if not value:
        raise ValueError(f"{name}: is given but empty")
    if value != value.strip() or (name in _SECRETS and not value.isascii()):
        raise ValueError(f"{name}: begins or ends with white space (a trailing newline?) or is not ASCII")


def _check_ways(given: dict[str, str]) -> None:
    if ("access_key" in given) != ("secret_key" in given):
        missing = "secret_key" if "access_key" in given else "access_key"
        raise ValueError(f"{missing}: is missing; access_key and secret_key come as a pair")
    if "session_token" in given and "access_key" not in given:
        raise ValueError("session_token: needs access_key and secret_key beside it")
    if "profile" in given and "access_key" in given:
        raise ValueError("profile: cannot be used together with access_key and secret_key")
    if "web_identity_token" in given and ("access_key" in given or "profile" in given):
        raise ValueError("web_identity_token: cannot be used together with access_key and secret_key, or profile")


def _with_roles(given: dict[str, str]) -> dict[str, str]:
    """A web identity without a role of its own assumes role_arn."""
    for name in ("role_arn", "web_identity_role_arn"):
        if name in given:
            check_role_arn(given[name], name)
    if "web_identity_token" in given:
        if "web_identity_role_arn" not in given and "role_arn" not in given:
            raise ValueError("role_arn: is missing; a web identity token is good for nothing but to assume a role")
        if "web_identity_role_arn" not in given:
            given = {**given, "web_identity_role_arn": given["role_arn"]}
            del given["role_arn"]
    elif "web_identity_role_arn" in given:
        raise ValueError("web_identity_role_arn: needs web_identity_token or web_identity_token_file beside it")
    if "external_id" in given:
        check_external_id(given["external_id"], "external_id")
        if "role_arn" not in given:
            raise ValueError(
                "external_id: needs role_arn beside it, and is not for a role that a web identity token assumes"
            )
    return given


FEATURE = Feature(
    argument_spec=ARGUMENT_SPEC,
    libraries=("boto3",),
    run=run,
    returns_secret=True,
)
