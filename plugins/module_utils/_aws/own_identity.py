# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The identity of the runner or controller itself: boto3's own search for credentials, and what to tell if it fails.

It is a step of its own, because in the midst of a call, where boto3 does it, a failure looks like one of that call.

What always holds: nothing that a server, a program or botocore says is told, because it may hold a key or a token. The
one exception is the line of the runner's own program, which begins with OWN_PROGRAM.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .._contract import reasons
from .._contract.aws_errors import (
    CONTAINER_CHECK,
    LOG_IN,
    REMEDIES,
    file_remedy,
    metadata_may_come,
    metadata_remedy,
    reason_of,
)
from .._contract.aws_requests import CONTAINER, OWN_PROGRAM, AwsRequest, LastRequest, container_origin, origin_of
from .._contract.aws_retries import Retries
from .._contract.tls import AWS_AUTHORITY
from .errors import AWSError, translated

try:
    import botocore.exceptions
    import botocore.utils
except ImportError:  # reported by _features.runtime.missing_libraries, by name, when a task runs
    botocore = None

_CREDENTIALS = "credentials"
# botocore's names for where it looks.
_CONTAINER, _INSTANCE, _PROGRAM, _SSO, _LOGIN = "container-role", "iam-role", "custom-process", "sso", "login"
_SERVERS = {_CONTAINER: CONTAINER, _INSTANCE: "instance metadata (IMDS)"}
_CHECKS = {
    _CONTAINER: CONTAINER_CHECK,
    _INSTANCE: "check the role of the instance, and that the hop limit of its metadata is 2 for pods",
}
_MAX_LINE = 400


def find(session, last: LastRequest, environ: Mapping[str, str], retries: Retries, authority: str = AWS_AUTHORITY):
    """Return the frozen credentials that boto3 finds by what is set in this session of botocore and in environ.

    last knows the requests of the session; retries says how long an agent is waited for that is away; authority is
    where the CA of AWS stands. Raises AWSError, which names the service that was asked and its host, the program or the
    file.
    """
    with translated(_CREDENTIALS, last=last):
        servers = {_CONTAINER: container_origin(environ), _INSTANCE: _instance_origin(session)}
        providers = session.get_component("credential_provider").providers
    for provider in providers:
        credentials = _patiently(partial(_load, provider, last, environ, servers, authority), retries)
        if credentials is not None:
            return credentials
    is_off = environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
    raise AWSError(_CREDENTIALS, reasons.NO_CREDENTIALS, _nothing_found("" if is_off else servers[_INSTANCE]))


def _patiently(load: Callable[[], Any], retries: Retries):
    """Wait for the agent of the container, which is away for some seconds while it is updated."""
    began = time.monotonic()
    attempts = 0
    while True:
        attempts += 1
        try:
            return load()
        except AWSError as error:
            wait = retries.after(attempts, time.monotonic() - began) if error.is_away else None
            if wait is None:
                raise
            time.sleep(wait)


def _load(provider, last: LastRequest, environ: Mapping[str, str], servers: Mapping[str, str], authority: str):
    """Return what one of botocore's providers of credentials finds, None if it is nothing. Raises AWSError."""
    with translated(_CREDENTIALS, last=last, authority=authority):
        try:
            credentials = provider.load()
            return None if credentials is None else credentials.get_frozen_credentials()
        except Exception as error:
            told = _told(error, provider.METHOD, servers, environ, is_asking=last.request is not None)
            if told is None:
                raise
            raise told from None


def _instance_origin(session) -> str:
    """https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html"""
    mode = botocore.utils.resolve_imds_endpoint_mode(session)
    default = "http://[fd00:ec2::254]" if mode == "ipv6" else "http://169.254.169.254"
    return origin_of(session.get_config_variable("ec2_metadata_service_endpoint") or default)


def _nothing_found(instance: str) -> str:
    found = "no AWS credentials found in the environment and the shared files"
    found += f", and none given by {_SERVERS[_INSTANCE]} at {instance}" if instance else ""
    return f"{found}; give access_key and secret_key or profile, or give the pod or instance a role"


def _told(
    error: Exception, method: str, servers: Mapping[str, str], environ: Mapping[str, str], *, is_asking: bool
) -> AWSError | None:
    """Return what to tell of an error where botocore looked for credentials by a method, in environ.

    servers are the origins of those that are no APIs of AWS. Returns None if the error is one of a request to an API,
    which is_asking says, or tells enough by its class.
    """
    is_known = isinstance(error, botocore.exceptions.BotoCoreError)
    if isinstance(error, botocore.exceptions.CredentialRetrievalError):
        # One that asks another, as for a profile that assumes a role with what the container has.
        method = error.kwargs["provider"]
    elif isinstance(error, botocore.exceptions.MetadataRetrievalError):
        method = _INSTANCE
    elif isinstance(error, OSError) and not is_known:
        return _failed(file_remedy(error, environ))
    elif is_asking:
        return None
    if method in servers:
        request = AwsRequest(_SERVERS[method], servers[method])
        told = AWSError(str(request), reasons.METADATA_RETRIEVAL_ERROR, metadata_remedy(error, _CHECKS[method]))
        # An instance has its metadata or is none; without any, everybody would wait for it.
        told.is_away = method == _CONTAINER and metadata_may_come(error)
        return told
    if method == _PROGRAM:
        return _failed(_own_line(error) or REMEDIES[reasons.CREDENTIAL_RETRIEVAL_ERROR])
    if method in (_SSO, _LOGIN) and is_known:
        return AWSError(_CREDENTIALS, reason_of(error), LOG_IN)
    if is_known or reason_of(error) in REMEDIES:
        return None
    return _failed(f"what boto3 finds ({method}) cannot be used; check the environment and the shared files")


def _failed(remedy: str) -> AWSError:
    return AWSError(_CREDENTIALS, reasons.CREDENTIAL_RETRIEVAL_ERROR, remedy)


def _own_line(error: Exception) -> str:
    lines = str(getattr(error, "kwargs", {}).get("error_msg", "")).splitlines()
    own = (line[len(OWN_PROGRAM) :][:_MAX_LINE] for line in lines if line.startswith(OWN_PROGRAM))
    return next(own, "")
