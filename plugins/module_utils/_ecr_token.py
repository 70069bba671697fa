# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ecr_token: the function that the module and its action plugin share."""

from __future__ import annotations

from datetime import datetime, timezone

from ansible.module_utils.basic import env_fallback

from ansible_collections.kube_ecr.secrets.plugins.module_utils._authorizations import (
    MalformedAnswer,
    from_ecr,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws import (
    AWSError,
    Credentials,
    get_authorization_token,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._module import Feature
from ansible_collections.kube_ecr.secrets.plugins.module_utils._resources import check_region

_KEYS = ("access_key", "secret_key", "session_token")

ARGUMENT_SPEC = {
    "region": {
        "type": "str",
        "aliases": ["aws_region"],
        "fallback": (env_fallback, ["AWS_REGION", "AWS_DEFAULT_REGION"]),
    },
    "access_key": {"type": "str", "aliases": ["aws_access_key_id", "aws_access_key"], "no_log": True},
    "secret_key": {"type": "str", "aliases": ["aws_secret_access_key", "aws_secret_key"], "no_log": True},
    "session_token": {"type": "str", "aliases": ["aws_session_token"], "no_log": True},
    "profile": {"type": "str", "aliases": ["aws_profile"]},
    "endpoint_url": {"type": "str", "aliases": ["aws_endpoint_url"]},
}


def run(params: dict, check_mode: bool, diff_mode: bool) -> dict:
    """Ask AWS ECR for an authorization token; nothing is changed, so check mode makes no difference.

    params are validated options. Returns the result of the task (see RETURN of the module).
    """
    try:
        credentials = _credentials(params)
        authorizations = from_ecr(get_authorization_token(credentials), datetime.now(timezone.utc))
    except AWSError as error:
        return _failure(error.reason, str(error))
    except MalformedAnswer as error:
        return _failure("MalformedAnswer", str(error))
    except ValueError as error:
        return _failure("InvalidOption", str(error))
    return {
        "changed": False,
        "authorizations": [each.as_dict() for each in authorizations],
        "error": None,
    }


def _failure(reason: str, message: str) -> dict:
    return {
        "changed": False,
        "failed": True,
        "msg": message,
        "authorizations": [],
        "error": {"reason": reason, "msg": message},
    }


def _credentials(params: dict) -> Credentials:
    """Refuse what cannot be meant before any call. Raises ValueError naming the option.

    An option that is given but empty is refused too: it is a variable that was not set, and falling back
    to the ambient credentials would then use somebody else's rights.
    """
    given = {key: params[key] for key in (*_KEYS, "profile") if params[key] is not None}
    for key, value in given.items():
        if not value:
            raise ValueError(f"{key}: is given but empty")
        if value != value.strip() or (key in _KEYS and not value.isascii()):
            raise ValueError(f"{key}: begins or ends with white space (a trailing newline?) or is not ASCII")
    if ("access_key" in given) != ("secret_key" in given):
        missing = "secret_key" if "access_key" in given else "access_key"
        raise ValueError(f"{missing}: is missing; access_key and secret_key come as a pair")
    if "session_token" in given and "access_key" not in given:
        raise ValueError("session_token: needs access_key and secret_key beside it")
    if "profile" in given and "access_key" in given:
        raise ValueError("profile: cannot be used together with access_key and secret_key")
    if params["region"] is not None:
        check_region(params["region"])
    elif "access_key" in given:
        raise ValueError("region: is missing; give an AWS region such as eu-west-1, or set AWS_REGION")
    return Credentials(region=params["region"], endpoint_url=params["endpoint_url"], **given)


FEATURE = Feature(
    argument_spec=ARGUMENT_SPEC,
    libraries=("boto3",),
    run=run,
    returns_secret=True,
)
