"""The program that gives a run the runner's own AWS identity, where that stands in the runner's environment.

boto3 starts it in a run, as the config file of the run says (see environment.py), and it prints credentials in the form
of https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html: from one process to the other
through a pipe. It reads the environment that the runner was started with, and finds what boto3 would find in it.

What always holds: it ends within a few seconds, and nothing that it says of a failure quotes a key, a token or an
answer of a server. Therefore the collection passes on what it says, by the word that it begins with.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import botocore.config
import botocore.exceptions
import botocore.session

from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.aws_errors import (
    CONTAINER_CHECK,
    file_remedy,
    metadata_remedy,
    reason_of,
    reason_of_answer,
    remedy_of,
    remedy_of_answer,
)
from kube_ecr_runner.contract.aws_requests import (
    CONTAINER,
    OWN_PROGRAM,
    AwsRequest,
    LastRequest,
    container_origin,
    own_sts_endpoint,
)
from kube_ecr_runner.contract.aws_retries import Retries

DEADLINE_SECONDS = 20.0
# Of a call to STS: the last attempt, which begins after so many seconds at the latest, fits into the time.
CONNECT_SECONDS = 3.0
READ_SECONDS = 5.0
PATIENCE_SECONDS = 10.0
_PREFIX = "AWS_"
_CHECK = f"check the variables {_PREFIX}* of the environment of the runner"
_NONE = "the AWS credentials that the environment of the runner names cannot be had"
_last = LastRequest()


class OwnIdentityError(Exception):
    """There are no credentials; the text is a line that says why and what to do."""


def main(arguments: Sequence[str]) -> int:
    """Print the credentials of a process and return the exit code.

    The first argument is the ID of the process, the second one, if there is one, the endpoint of STS.
    """
    signal.signal(signal.SIGALRM, lambda *_: _give_up())
    signal.setitimer(signal.ITIMER_REAL, DEADLINE_SECONDS)
    try:
        adopt(Path("/proc", *arguments[:1]))
        credentials = find(*arguments[1:2])
    except OwnIdentityError as error:
        print(f"{OWN_PROGRAM}{error}", file=sys.stderr)
        return 1
    print(json.dumps(credentials))
    return 0


def adopt(process: Path) -> None:
    """Make the AWS settings that a process (its folder in /proc) was started with those of this one.

    Relative paths in them count from its working directory. Raises OwnIdentityError.
    """
    try:
        content = (process / "environ").read_bytes()
        os.chdir(process / "cwd")
    except OSError as error:
        raise OwnIdentityError(
            f"the environment of the runner, {process}/environ, cannot be read ({error.strerror}); keep its keys in "
            "the file that AWS_SHARED_CREDENTIALS_FILE names instead"
        ) from None
    for name in [name for name in os.environ if name.startswith(_PREFIX)]:
        del os.environ[name]
    for variable in content.split(b"\0"):
        key, _, value = variable.partition(b"=")
        if key.startswith(os.fsencode(_PREFIX)):
            os.environb[key] = value


class _Session(botocore.session.Session):
    """botocore makes the clients of STS by itself, and asks for no endpoint."""

    sts_endpoint: str | None = None

    def create_client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """Return a client; arguments are as for botocore."""
        if service_name == "sts":
            is_ignored = self.get_config_variable("ignore_configured_endpoint_urls")
            kwargs["endpoint_url"] = own_sts_endpoint(self.sts_endpoint, os.environ, is_ignored=is_ignored)
        return super().create_client(service_name, *args, **kwargs)


def find(sts_endpoint: str | None = None) -> dict[str, object]:
    """Return what is to be printed of the credentials that boto3 would use here. Raises OwnIdentityError."""
    _last.forget()
    try:
        session = _Session()
        session.sts_endpoint = sts_endpoint
        # As in the collection: what older versions call by default is the STS of another region.
        session.set_config_variable("sts_regional_endpoints", "regional")
        if os.environ.get("AWS_REGION"):
            # botocore (1.44) reads AWS_DEFAULT_REGION alone, and without a region it asks sts.amazonaws.com.
            session.set_config_variable("region", os.environ["AWS_REGION"])
        retries = Retries(PATIENCE_SECONDS)
        session.register("before-call", _last.note_call)
        session.register("before-call", retries.begin)
        session.register("before-send", _last.note)
        session.register("needs-retry", retries.wait)
        session.set_default_client_config(
            botocore.config.Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                # What is sent again, and when, is said by Retries.
                retries={"mode": "standard", "total_max_attempts": 1},
            )
        )
        credentials = session.get_credentials()
        keys = credentials and credentials.get_frozen_credentials()
    except botocore.exceptions.ClientError as error:
        raise OwnIdentityError(
            f"AWS {_last.request}: {reason_of_answer(error.response)}: {remedy_of_answer(error.response)}; {_CHECK}"
        ) from None
    except Exception as error:  # noqa: BLE001 (files and servers of all kinds, and their texts may quote a token)
        raise OwnIdentityError(f"{_NONE}{_told(error)}; {_CHECK}") from None
    if not keys:
        raise OwnIdentityError(f"the environment of the runner leads to no AWS credentials; {_CHECK}")
    told = {
        "Version": 1,
        "AccessKeyId": keys.access_key,
        "SecretAccessKey": keys.secret_key,
        "SessionToken": keys.token,
        "Expiration": _expiration(credentials),
    }
    return {name: value for name, value in told.items() if value}


def _told(error: Exception) -> str:
    """Return who did not give them, if that is known, why, and what to do."""
    request, reason = _last.request, reason_of(error)
    if isinstance(error, OSError) and not isinstance(error, botocore.exceptions.BotoCoreError):
        return f": {file_remedy(error, os.environ)}"
    if isinstance(error, botocore.exceptions.CredentialRetrievalError) and error.kwargs["provider"] == "container-role":
        agent = AwsRequest(CONTAINER, container_origin(os.environ))
        return f" from {agent}: {reasons.METADATA_RETRIEVAL_ERROR}: {metadata_remedy(error, CONTAINER_CHECK)}"
    return f"{f' from {request}' if request else ''}: {reason}: {remedy_of(error)}"


def _expiration(credentials: object) -> str | None:
    """botocore tells it in no other way; the AWS CLI's export-credentials reads the same attribute."""
    expiry = getattr(credentials, "_expiry_time", None)
    return expiry.astimezone(UTC).isoformat(timespec="seconds") if isinstance(expiry, datetime) else None


def _give_up() -> NoReturn:
    """Leave from within whatever is waited for, since botocore catches most that is raised."""
    source = f" from {_last.request}" if _last.request else ""
    line = (
        f"{OWN_PROGRAM}the AWS credentials that the environment of the runner names could not be had{source} in time; "
        "check the network\n"
    )
    os.write(sys.stderr.fileno(), line.encode())
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
