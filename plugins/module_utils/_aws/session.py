# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Credentials in use: a boto3 session that calls AWS with them, and how often it was called.

What always holds: keys that are given win alone - nothing of the environment or of ~/.aws is mixed in but proxies, CA
bundle and the choice of dual-stack or FIPS endpoints; every call ends (time-outs, bounded retries).
"""

from __future__ import annotations

import ipaddress
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from .._contract.aws_errors import reason_of, reason_of_answer
from .._contract.aws_requests import LastRequest, own_sts_endpoint
from .._contract.aws_retries import Retries
from .._contract.tls import AWS_AUTHORITY
from . import own_identity
from .errors import translated
from .registries import Partition, TokenCall

try:
    import boto3
    import botocore.config
    import botocore.loaders
    from botocore.loaders import JSONFileLoader as _BotocoreFileLoader
    from botocore.session import Session as _BotocoreSession
except ImportError:  # reported by _features.runtime.missing_libraries, by name, when a task runs
    boto3 = None
    _BotocoreSession = _BotocoreFileLoader = object

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 10
# No attempt of a call begins later than so many seconds after the first, so that each call ends well within a run.
PATIENCE = 12
SESSION_NAME = "kube-ecr-secrets"
# What is called, and what finds credentials for it (SSO), by the names of botocore's endpoints.json.
ENDPOINTS = ("api.ecr", "api.ecr-public", "sts", "portal.sso", "oidc")
# Making clients of one session is not safe in threads, using them is.
_MAKING_CLIENTS = threading.Lock()


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
    # What boto3 calls verify: False, the path of a bundle, or None for what the environment says.
    verify: bool | str | None = None
    # Settings of botocore.config.Config, which go before ours.
    client_config: Mapping[str, Any] = field(default_factory=dict, repr=False)


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
            code = reason_of(exception)
        else:
            code = reason_of_answer(parsed_response) if "Error" in parsed_response else "OK"
        with self._lock:
            self._counts[operation, code] += 1

    def as_list(self) -> list[dict]:
        """Return operation (such as ecr:GetAuthorizationToken), code (OK, or the reason) and count, sorted."""
        with self._lock:
            counts = sorted(self._counts.items())
        return [{"operation": operation, "code": code, "count": count} for (operation, code), count in counts]


class Session:
    """Credentials in use; connect() gives it."""

    def __init__(self, credentials: Credentials, calls: Calls) -> None:
        """Nothing is called yet; what will be is noted in calls. Raises AWSError if there is no such profile."""
        self._is_isolated = credentials.access_key is not None or credentials.web_identity_token is not None
        self._endpoint_url = credentials.endpoint_url
        self._verify = credentials.verify
        self._authority = f"{credentials.verify} (aws_ca_bundle)" if credentials.verify else AWS_AUTHORITY
        self._config = dict(credentials.client_config)
        self._last = LastRequest()
        self._retries = Retries(PATIENCE)
        self._listeners: list[tuple[str, Callable[..., Any]]] = [
            ("before-call", self._last.note_call),
            ("before-call", self._retries.begin),
            ("before-send", self._last.note),
            ("response-received", calls.note),
        ]
        if "retries" not in self._config:  # else botocore sends again, as it is told there
            self._listeners.append(("needs-retry", self._retries.wait))
        self._keys = {
            "aws_access_key_id": credentials.access_key,
            "aws_secret_access_key": credentials.secret_key,
            "aws_session_token": credentials.session_token,
        }
        if self._is_isolated:
            with translated("session", region=credentials.region or ""):
                self._session, self._region = _isolated_session(), credentials.region
            return
        with translated("session", region=credentials.region or ""):
            self._botocore = _botocore_session(credentials.endpoint_url, isolated=False)
            self._botocore.verify, self._botocore.client_config = self._verify, self._config
            # Also of the clients that it makes by itself, to find credentials.
            for event, listener in self._listeners:
                self._botocore.register(event, listener)
            self._session = boto3.session.Session(
                botocore_session=self._botocore,
                profile_name=credentials.profile,
                region_name=credentials.region,
            )
        self._region = self._session.region_name

    @property
    def region(self) -> str | None:
        """The region that was given, or else that of the environment or the profile."""
        return self._region

    def reached(self, call: TokenCall) -> TokenCall:
        """Return the call that is made for this one: an endpoint that is given is the only one there is."""
        return replace(call, fips=False, dual_stack=False) if self._endpoint_url else call

    def asking(
        self, call: str, about: str = "", remedy: str = "", region: str | None = None
    ) -> AbstractContextManager[None]:
        """Turn what boto3 raises inside into AWSError, see translated(); without region, the session's counts."""
        return translated(call, about, remedy, self._last, region or self.region or "", self._authority)

    def client(self, service: str, region: str | None = None, **settings):
        """Return a client of boto3 for a service, with the credentials of this session."""
        # What a call needs (an endpoint of another kind, no signature) goes before what is set for all calls.
        config = botocore.config.Config(**{**self._config, **settings})
        if not self._is_isolated:
            return self._session.client(service, region_name=region, config=config, **self._keys)
        with _MAKING_CLIENTS:
            client = self._session.client(
                service,
                region_name=region or self._region,
                endpoint_url=self._endpoint_url,
                verify=self._verify,
                config=config,
                **self._keys,
            )
        for event, listener in self._listeners:
            client.meta.events.register(event, listener)
        return client

    def find_credentials(self, region: str | None = None) -> None:
        """Find the credentials of the runner or controller itself, and go on with them; nothing if there are others.

        region is where STS is asked if it is, unless one is set. Raises AWSError.
        """
        if self._keys["aws_access_key_id"]:
            return
        if self.region is None and region:
            self._botocore.set_config_variable("region", region)
        self._use(*own_identity.find(self._botocore, self._last, os.environ, self._retries, self._authority)[:3])

    def assume(self, answer: dict) -> None:
        """Go on with the temporary credentials in an answer of STS."""
        keys = answer["Credentials"]
        self._use(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    def _use(self, access_key: str, secret_key: str, session_token: str | None) -> None:
        self._keys = {
            "aws_access_key_id": access_key,
            "aws_secret_access_key": secret_key,
            "aws_session_token": session_token,
        }


def _is_direct(endpoint_url: str | None, no_proxy: str) -> bool:
    """Return whether an endpoint is an address in a network that NO_PROXY names: botocore (1.44) knows names alone."""
    try:
        address = ipaddress.ip_address(urlsplit(endpoint_url or "").hostname or "")
    except ValueError:
        return False
    return any(address in network for network in _networks(no_proxy))


def _networks(no_proxy: str) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for address in no_proxy.split(","):
        try:
            yield ipaddress.ip_network(address.strip(), strict=False)
        except ValueError:
            continue


@lru_cache(maxsize=1)
def partitions() -> tuple[Partition, ...]:
    """Return the partitions of AWS, from botocore's data."""
    data = _loader(None).load_data("partitions")
    return tuple(
        Partition(
            partition["id"],
            partition["regionRegex"],
            partition["outputs"]["dnsSuffix"],
            partition["outputs"].get("dualStackDnsSuffix", ""),
        )
        for partition in data["partitions"]
    )


class _LimitedSession(_BotocoreSession):
    """A session of botocore whose clients all end in time, and call the endpoint that is given.

    botocore makes clients of STS and SSO by itself, to find credentials, and asks for no limits: with its own, an STS
    that does not answer took 180 seconds (measured with botocore 1.44).
    """

    endpoint_url: str | None = None
    is_isolated = False
    verify: bool | str | None = None
    client_config: Mapping[str, Any] = MappingProxyType({})

    def create_client(
        self, service_name: str, *args, endpoint_url: str | None = None, verify=None, config=None, **kwargs
    ):
        """Return a client; arguments are as for botocore."""
        endpoint_url = endpoint_url or self._endpoint_of(service_name)
        ours = botocore.config.Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            # What is sent again, and when, is said by Retries.
            retries={"mode": "standard", "total_max_attempts": 1},
            ignore_configured_endpoint_urls=self.is_isolated or None,
            proxies={} if _is_direct(endpoint_url, getproxies().get("no", "")) else None,
        )
        theirs = botocore.config.Config(**self.client_config)
        config = ours.merge(theirs.merge(config) if config else theirs)
        if verify is None:
            verify = self.verify if self.verify is not None else self._bundle()
        return super().create_client(
            service_name, *args, endpoint_url=endpoint_url, verify=verify, config=config, **kwargs
        )

    def _bundle(self) -> str | bool:
        """Return the bundle that the environment names, as botocore does, but take an empty name for none."""
        return self.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE") or True

    def _endpoint_of(self, service: str) -> str | None:
        """The endpoint that is given stands for ECR and STS, and not for the SSO of a profile."""
        if service == "sts" and not self.is_isolated:
            is_ignored = self.get_config_variable("ignore_configured_endpoint_urls")
            return own_sts_endpoint(self.endpoint_url, os.environ, is_ignored=is_ignored)
        return self.endpoint_url if service in ("ecr", "ecr-public", "sts") else None


def _botocore_session(endpoint_url: str | None, *, isolated: bool) -> _LimitedSession:
    """Return a session of its own, for botocore's default one is shared, and keeps credentials.

    An isolated one reads neither AWS_PROFILE nor the shared files: a profile that does not exist would otherwise
    fail the call although keys are given (measured with botocore 1.44).
    """
    nothing = (None, None, None, None)
    names = ("profile", "config_file", "credentials_file") if isolated else ()
    session = _LimitedSession(session_vars=dict.fromkeys(names, nothing))
    session.endpoint_url, session.is_isolated = endpoint_url, isolated
    # What older versions call by default, sts.amazonaws.com, gives sessions that newer regions refuse.
    # https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html
    session.set_config_variable("sts_regional_endpoints", "regional")
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


class _FileLoader(_BotocoreFileLoader):
    """Reads a file of botocore's data; of the endpoints only those that are needed: all take 7 MB in each process."""

    def load_file(self, file_path: str):
        """Return what is in the file of that path, to which botocore adds the extension; None if there is none."""
        data = super().load_file(file_path)
        if data is None or Path(file_path).name != "endpoints":
            return data
        for partition in data["partitions"]:
            services = partition["services"]
            partition["services"] = {name: services[name] for name in ENDPOINTS if name in services}
        return data


@lru_cache(maxsize=4)
def _loader(data_path: str | None):
    """Return botocore's loader of models and endpoints, which keeps what it has read: 0.15 s for each session else."""
    loader = botocore.loaders.create_loader(data_path)
    loader.file_loader = _FileLoader()
    return loader


@lru_cache(maxsize=1)
def _isolated_session():
    """Return the session of boto3 that makes the clients of all who bring their keys.

    Nothing of them is in it: each client is told its region, endpoint and keys. The first client of a session costs
    some 60 ms, and each further one 2.
    """
    return boto3.session.Session(botocore_session=_botocore_session(None, isolated=True))


def load_ahead() -> None:
    """Read what calls to STS, ECR and ECR Public need, for processes that are forked from this one."""
    for service in ("ecr", "ecr-public", "sts"):
        _isolated_session().client(service, region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-")
