"""The runner's own identity: who gave no credentials, told without anything that a server or program says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore import exceptions as botocore_exceptions

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws import own_identity
from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.errors import AWSError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.aws_requests import OWN_PROGRAM, LastRequest
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.aws_retries import Retries

CANARY = "canary"
AGENT = "http://169.254.170.23"
AGENT_URL = f"{AGENT}/v1/{CANARY}?{CANARY}"
TOKEN_FILE = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
CONTAINER = f"AWS container credentials (EKS Pod Identity, ECS) at {AGENT}: MetadataRetrievalError: "
INSTANCE = "AWS instance metadata (IMDS) at http://169.254.169.254: MetadataRetrievalError: "
FAILED = "AWS credentials: CredentialRetrievalError: "
AT_ONCE = Retries(patience=0)
KEYS = SimpleNamespace(get_frozen_credentials=lambda: ("key", "secret", None))


class Session:
    """What is asked of botocore's: its settings, and the providers of credentials, which are asked in turn."""

    def __init__(self, *providers: object, **settings: str) -> None:
        self.providers = providers
        self.get_config_variable = settings.get

    def get_component(self, name: str) -> object:
        assert name == "credential_provider"
        return self


def provider(method: str, error: BaseException | None = None, last: LastRequest | None = None, **found: Any) -> object:
    """Return one that raises the error, after a request to STS if last is given, or else finds what is given."""

    def load() -> object:
        if last:
            last.note(SimpleNamespace(url=f"https://sts.example.com/?{CANARY}"), "before-send.sts.AssumeRole")
        if error:
            raise error
        return found.get("credentials")

    return SimpleNamespace(METHOD=method, load=load)


def told(session: Session, last: LastRequest | None = None, **environ: str) -> str:
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": AGENT_URL, "AWS_WEB_IDENTITY_TOKEN_FILE": TOKEN_FILE, **environ}
    with pytest.raises(AWSError) as caught:
        own_identity.find(session, last or LastRequest(), environ, AT_ONCE)
    assert CANARY not in str(caught.value)
    assert f": {caught.value.reason}: " in str(caught.value)
    return str(caught.value)


def caused(error: Exception, *causes: Exception) -> Exception:
    """Return an error that was raised while another one was handled."""
    if causes:
        error.__context__ = caused(*causes)
    return error


def retrieval(method: str, text: str = CANARY, *causes: Exception) -> Exception:
    return caused(botocore_exceptions.CredentialRetrievalError(provider=method, error_msg=text), *causes)


def metadata(text: str = CANARY, *causes: Exception) -> Exception:
    return caused(botocore_exceptions.MetadataRetrievalError(error_msg=text), *causes)


def no_way(kind: str, **more: str) -> Exception:
    return getattr(botocore_exceptions, kind)(endpoint_url=AGENT_URL, error=CANARY, **more)


@pytest.mark.parametrize(
    ("method", "error", "words"),
    [
        (
            "container-role",
            retrieval("container-role", CANARY, metadata(CANARY, no_way("EndpointConnectionError"))),
            f"{CONTAINER}no connection; check that the agent runs on this node and can be reached",
        ),
        (
            "container-role",
            retrieval("container-role", CANARY, metadata(CANARY, no_way("ConnectTimeoutError"))),
            f"{CONTAINER}no answer in time; check",
        ),
        (
            "container-role",
            retrieval("container-role", CANARY, metadata(CANARY, no_way("ReadTimeoutError"))),
            f"{CONTAINER}no answer in time; check",
        ),
        ("container-role", no_way("SSLError"), f"{CONTAINER}its TLS certificate is not trusted; check"),
        (
            "container-role",
            retrieval("container-role", f"Error: Received non 200 response 403 from container metadata: {CANARY}"),
            f"{CONTAINER}it answered with status 403; check",
        ),
        ("container-role", retrieval("container-role"), f"{CONTAINER}it gave no credentials; check"),
        ("container-role", KeyError(CANARY), f"{CONTAINER}it gave no credentials; check"),
        (
            "container-role",
            ValueError(f"Unsupported host '{CANARY}'."),
            f"{CONTAINER}boto3 asks this host over https only; check",
        ),
        (
            "container-role",
            ValueError("Auth token value is not a legal header value"),
            f"{CONTAINER}the token for it has a line break; check",
        ),
        # A profile that assumes a role with what the container has.
        ("assume-role", retrieval("container-role"), f"{CONTAINER}it gave no credentials"),
        ("iam-role", metadata(), f"{INSTANCE}it gave no credentials; check the role of the instance"),
        ("assume-role", metadata(), f"{INSTANCE}it gave no credentials"),
        ("iam-role", retrieval("iam-role"), f"{INSTANCE}it gave no credentials"),
        ("iam-role", no_way("ConnectTimeoutError"), f"{INSTANCE}no answer in time"),
        (
            "iam-role",
            botocore_exceptions.ProxyConnectionError(proxy_url=f"http://u:{CANARY}@proxy:3128", error=CANARY),
            f"{INSTANCE}the proxy http://proxy:3128 gives no connection; check HTTPS_PROXY and NO_PROXY",
        ),
        ("iam-role", botocore_exceptions.HTTPClientError(error=CANARY), f"{INSTANCE}no connection"),
        ("custom-process", retrieval("custom-process"), f"{FAILED}the program that gives the credentials"),
        ("custom-process", ValueError(CANARY), f"{FAILED}the program that gives the credentials"),
        ("assume-role", retrieval("custom-process"), f"{FAILED}the program that gives the credentials"),
        (
            "custom-process",
            retrieval("custom-process", f"{CANARY}\n{OWN_PROGRAM}AWS STS is away\n{CANARY}"),
            f"{FAILED}AWS STS is away",
        ),
        (
            "custom-process",
            FileNotFoundError(2, "No such file", "/bin/helper"),
            f"{FAILED}/bin/helper: No such file or directory; check",
        ),
        (
            "assume-role-with-web-identity",
            PermissionError(13, "Permission denied", "/var/run/token"),
            f"{FAILED}/var/run/token: Permission denied; check the AWS_... variable or the shared file that names it",
        ),
        (
            "assume-role-with-web-identity",
            FileNotFoundError(2, "No such file", TOKEN_FILE),
            f"{FAILED}{TOKEN_FILE}: No such file or directory; AWS_WEB_IDENTITY_TOKEN_FILE names it: IRSA",
        ),
        ("sso", OSError(CANARY), f"{FAILED}a file cannot be read or written (OSError); check"),
        (
            "sso",
            botocore_exceptions.UnauthorizedSSOTokenError(),
            "AWS credentials: UnauthorizedSSOTokenError: check the profile, and log in anew with the AWS CLI",
        ),
        (
            "login",
            botocore_exceptions.SSOTokenLoadError(error_msg=CANARY),
            "AWS credentials: SSOTokenLoadError: check the profile, and log in anew with the AWS CLI",
        ),
        ("env", ValueError(CANARY), f"{FAILED}what boto3 finds (env) cannot be used; check the environment"),
        ("env", RuntimeError(CANARY), f"{FAILED}what boto3 finds (env) cannot be used; check the environment"),
        (
            "assume-role",
            ValueError(f"Invalid endpoint: {CANARY}"),
            "AWS credentials: InvalidEndpoint: the URL of the endpoint is not valid; check endpoint_url",
        ),
        (
            "env",
            botocore_exceptions.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
            "AWS credentials: PartialCredentials: AWS_SECRET_ACCESS_KEY: ",
        ),
        (
            "assume-role",
            botocore_exceptions.InvalidConfigError(error_msg=CANARY),
            "AWS credentials: InvalidConfigError: the environment or a profile has one setting without another",
        ),
    ],
)
def test_who_gave_no_credentials_is_named(method: str, error: Exception, words: str) -> None:
    assert told(Session(provider("env"), provider(method, error))).startswith(words)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            botocore_exceptions.ConnectTimeoutError(endpoint_url=f"https://sts.example.com/{CANARY}"),
            "AWS STS AssumeRole at https://sts.example.com: TimedOut: ",
        ),
        (KeyError(CANARY), "AWS STS AssumeRole at https://sts.example.com: MalformedAnswer: "),
        # What failed after STS had answered.
        (OSError(30, "Read-only file system", "/home/x/.aws/sso"), f"{FAILED}/home/x/.aws/sso: Read-only file system"),
        (retrieval("container-role"), f"{CONTAINER}it gave no credentials"),
    ],
)
def test_a_request_to_an_api_is_named_with_its_host(error: Exception, words: str) -> None:
    last = LastRequest()
    assert told(Session(provider("assume-role", error, last)), last).startswith(words)


def test_what_fails_when_the_credentials_are_fetched_belongs_to_who_gives_them() -> None:
    def fetch() -> None:
        raise retrieval("container-role")

    deferred = SimpleNamespace(get_frozen_credentials=fetch)
    assert told(Session(provider("assume-role", credentials=deferred))).startswith(CONTAINER)


def test_the_first_that_gives_credentials_is_the_last_that_is_asked() -> None:
    session = Session(provider("env"), provider("sso", credentials=KEYS), provider("iam-role", AssertionError()))
    assert own_identity.find(session, LastRequest(), {}, AT_ONCE) == ("key", "secret", None)


@pytest.mark.parametrize(
    ("failures", "method", "waits"),
    [
        (2, "container-role", [0.5, 1.5]),
        # An instance has its metadata or is none, and a program is run by hand.
        (2, "iam-role", []),
        (2, "custom-process", []),
        (9, "container-role", [0.5, 1.5, 4.5]),
    ],
)
def test_an_agent_that_is_away_for_some_seconds_is_waited_for(
    failures: int, method: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(own_identity.time, "sleep", slept.append)
    left = iter(range(failures))

    def load() -> object:
        if next(left, None) is None:
            return KEYS
        raise retrieval(method, CANARY, metadata(CANARY, no_way("EndpointConnectionError")))

    session = Session(SimpleNamespace(METHOD=method, load=load))
    retries = Retries(12, lambda: 0.0, lambda *_: 1.0)
    try:
        found = own_identity.find(session, LastRequest(), {}, retries)
    except AWSError:
        found = None
    assert (slept, found is not None) == (waits, len(waits) == failures)


@pytest.mark.parametrize(
    ("settings", "environ", "words"),
    [
        ({}, {}, "none given by instance metadata (IMDS) at http://169.254.169.254; give"),
        ({"ec2_metadata_service_endpoint_mode": "IPv6"}, {}, "at http://[fd00:ec2::254]; give"),
        ({"imds_use_ipv6": "true"}, {}, "at http://[fd00:ec2::254]; give"),
        (
            {"ec2_metadata_service_endpoint": f"http://u:{CANARY}@127.0.0.1:9/{CANARY}"},
            {},
            "at http://127.0.0.1:9; give",
        ),
        ({}, {"AWS_EC2_METADATA_DISABLED": "True"}, "in the environment and the shared files; give"),
    ],
)
def test_nothing_found_names_where_was_looked(settings: dict[str, str], environ: dict[str, str], words: str) -> None:
    message = told(Session(provider("env"), **settings), **environ)
    assert message.startswith("AWS credentials: NoCredentials: no AWS credentials found in the environment")
    assert words in message
