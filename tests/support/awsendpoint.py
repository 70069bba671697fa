"""ECR's API for the tests, over HTTP and in this process: moto, with what moto leaves out put in front of it.

moto (5.2.5) looks at no key and hands out the same token to everybody, dead since 2015. Here every request's
Signature Version 4 is made again with the secret of the principal that it names, tokens are random and live for
`AWSEndpoint.token_life`, every call is recorded, and a test can make the endpoint fail, hang, answer nonsense,
or go away and come back. One URL stands for all regions: the region is that of the signature's scope.

The same powers are there over HTTP below `/_control/` (see `AWSEndpoint.control`), for the test registry and for
people. `python -m tests.support.awsendpoint` runs one until Ctrl-C.

Error codes and texts are those of ECR: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import io
import json
import re
import secrets
import socket
import string
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests.support.processes import Service, StartError, wait_for_signal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NO_ANSWER = "NoAnswer"
"""The code of a `Call` that `AWSEndpoint.hang` swallowed."""

_CONTROL = "/_control/"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<access_key>[^/,]+)/(?P<date>\d{8})/(?P<region>[^/,]+)/(?P<service>[^/,]+)"
    r"/aws4_request, ?SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_REGISTRY_HOST = re.compile(r"\d{12}\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z.]+")
_MAX_SKEW = timedelta(minutes=5)
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Principal:
    """An IAM user: its keys, and what it may do (`allowed`: ask for a token)."""

    access_key: str
    secret_key: str = field(repr=False)
    account: str
    allowed: bool = True

    def registry(self, region: str = "eu-west-1") -> str:
        """Return the host name of the registry that every account has in every region."""
        return f"{self.account}.dkr.ecr.{region}.{_dns_suffix(region)}"

    def arn(self, region: str) -> str:
        """Return the name that IAM gives this user in the partition of that region."""
        return f"arn:{'aws-cn' if region.startswith('cn-') else 'aws'}:iam::{self.account}:user/test"


@dataclass(frozen=True)
class Call:
    """A request that the endpoint got; `code` is the error that it answered, empty for a success.

    `access_key` and `region` are what the request claims, empty where it is not signed.
    """

    operation: str
    access_key: str
    region: str
    code: str


class Verdict(StrEnum):
    """What becomes of a login at a registry."""

    VALID = "valid"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class _Refused(Exception):
    """What AWS answers instead of what was asked for."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self._status = status

    def response(self) -> Response:
        return _json({"__type": self.code, "message": str(self)}, self._status)


@dataclass(frozen=True)
class _Token:
    region: str
    expires_at: datetime


@dataclass
class _Fault:
    """What the next `times` requests get (None: all, until another fault or none is set); no outcome: no answer."""

    outcome: _Refused | Response | None
    times: int | None = None


class _State:
    """All that requests, the control interface and the tests share, behind one lock.

    What waits (a hanging request, one that is delayed) waits on the same lock, so that it notices a change.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._principals: dict[str, Principal] = {}
        self._tokens: dict[str, _Token] = {}
        self._calls: list[Call] = []
        self._fault: _Fault | None = None
        self._run = 0

    def add(self, principal: Principal) -> None:
        with self._changed:
            self._principals[principal.access_key] = principal

    def principal(self, access_key: str) -> Principal | None:
        with self._changed:
            return self._principals.get(access_key)

    def give(self, password: str, token: _Token) -> None:
        with self._changed:
            self._tokens[password] = token

    def token(self, password: str) -> _Token | None:
        with self._changed:
            return self._tokens.get(password)

    def expire_tokens(self) -> None:
        with self._changed:
            now = datetime.now(UTC)
            for password, token in self._tokens.items():
                self._tokens[password] = _Token(token.region, min(now, token.expires_at))

    def record(self, call: Call) -> None:
        with self._changed:
            self._calls.append(call)

    def calls(self) -> list[Call]:
        with self._changed:
            return list(self._calls)

    def forget_calls(self) -> None:
        with self._changed:
            self._calls.clear()

    def set_fault(self, fault: _Fault | None) -> None:
        with self._changed:
            self._fault = fault
            self._changed.notify_all()

    def take_fault(self) -> _Fault | None:
        with self._changed:
            fault = self._fault
            if fault is not None and fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._fault = None
            return fault

    def new_run(self) -> int:
        """Number the stretches between start and stop; what waits in an older one is let go."""
        with self._changed:
            self._run += 1
            self._changed.notify_all()
            return self._run

    def wait_for_change(self, fault: _Fault, run: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._fault is not fault or self._run != run)

    def delay(self, seconds: float, run: int) -> bool:
        """Return whether that run is over, after so many seconds or as soon as it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._run != run, seconds)


class AWSEndpoint(Service):
    """An endpoint for boto3's `endpoint_url`, from `start()` to `stop()`, or as a context manager.

    `token_life` (how long new tokens live) and `latency` (seconds before each answer) count from the next request
    on whenever they are set. Principals, tokens and faults outlast a stop and a start, which keeps the port.
    """

    def __init__(self, port: int = 0) -> None:
        """Prepare; port 0 is one that is free."""
        self.token_life = timedelta(hours=12)
        self.latency = 0.0
        self._port = port
        self._state = _State()
        self._server: BaseWSGIServer | None = None
        self._moto: WSGIApplication | None = None

    def start(self) -> None:
        """Return when connections are accepted, on the port of the last start if there was one.

        Does nothing when it is running. Raises StartError if the port is taken.
        """
        if self._server is not None:
            return
        self._moto = self._moto or _moto()
        try:
            listener = socket.create_server(("127.0.0.1", self._port), backlog=128)
        except OSError as error:
            raise StartError(f"the AWS endpoint cannot listen on port {self._port}: {error.strerror}") from None
        with listener:  # the server works on a duplicate
            self._port = listener.getsockname()[1]
            serve = partial(self._serve, self._state.new_run())
            self._server = make_server(
                "127.0.0.1", self._port, serve, threaded=True, request_handler=_Handler, fd=listener.fileno()
            )
        threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), name="aws", daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on and drop requests that wait for an answer. Does nothing when stopped."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        self._state.new_run()

    @property
    def url(self) -> str:
        """What to give as `endpoint_url`."""
        return f"http://127.0.0.1:{self._port}"

    def principal(
        self,
        account: str = "111122223333",
        access_key: str | None = None,
        secret_key: str | None = None,
        allowed: bool = True,
    ) -> Principal:
        """Make an IAM user; keys that are not given are random. One with the same access key is replaced."""
        principal = Principal(access_key or _access_key(), secret_key or _secret_key(), account, allowed)
        self._state.add(principal)
        return principal

    @property
    def calls(self) -> list[Call]:
        """All requests so far, in the order in which their answer was decided (before `latency`)."""
        return self._state.calls()

    def forget_calls(self) -> None:
        """Begin `calls` anew."""
        self._state.forget_calls()

    def count(self, operation: str) -> int:
        """Return how many requests for that operation there were, whatever became of them."""
        return sum(call.operation == operation for call in self.calls)

    def fail(self, code: str, message: str = "", status: int = 400, times: int | None = None) -> None:
        """Answer this error to the next `times` requests, or to all until `heal()`."""
        self._state.set_fault(_Fault(_Refused(code, message, status), times))

    def hang(self) -> None:
        """Accept requests and never answer; `heal()` and `stop()` drop those that wait."""
        self._state.set_fault(_Fault(None))

    def answer(self, content: dict[str, Any]) -> None:
        """Answer this, with status 200, until `heal()`."""
        self._state.set_fault(_Fault(_json(content)))

    def heal(self) -> None:
        """End whatever `fail`, `hang` or `answer` began."""
        self._state.set_fault(None)

    def expire_tokens(self) -> None:
        """Make all tokens given so far dead from now on."""
        self._state.expire_tokens()

    def verify(self, host: str, username: str, password: str) -> bool:
        """Return whether a registry lets this login in (see `verdict`)."""
        return self.verdict(host, username, password) is Verdict.VALID

    def verdict(self, host: str, username: str, password: str) -> Verdict:
        """Return whether the password was given out for the host's region, and whether it is still alive.

        As with AWS, a token is good for the registries of all accounts in its region.
        """
        token = self._state.token(password)
        found = _REGISTRY_HOST.fullmatch(host)
        if token is None or found is None or username != "AWS" or token.region != found["region"]:
            return Verdict.UNKNOWN
        return Verdict.VALID if datetime.now(UTC) < token.expires_at else Verdict.EXPIRED

    def _serve(self, run: int, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        control = request.path.startswith(_CONTROL)
        response = self._answer_control(request) if control else self._answer_api(request, run)
        return response(environ, start_response)

    def _answer_api(self, request: Request, run: int) -> Response:
        operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        claim = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
        fault = self._state.take_fault()
        outcome = fault.outcome if fault else self._outcome(request, operation, claim)
        access_key, region = claim.group("access_key", "region") if claim else ("", "")
        code = NO_ANSWER if outcome is None else outcome.code if isinstance(outcome, _Refused) else ""
        self._state.record(Call(operation, access_key, region, code))
        if outcome is None:
            assert fault is not None
            self._state.wait_for_change(fault, run)
        if outcome is None or self._state.delay(self.latency, run):
            raise ConnectionAbortedError  # which werkzeug takes for a client that went away: no answer, no log
        return outcome.response() if isinstance(outcome, _Refused) else outcome

    def _outcome(self, request: Request, operation: str, claim: re.Match[str] | None) -> Response | _Refused:
        try:
            principal, region = self._authenticate(request, claim)
            if not principal.allowed:
                action = f"ecr:{operation}"
                raise _Refused(
                    "AccessDeniedException",
                    f"User: {principal.arn(region)} is not authorized to perform: {action} on resource: * "
                    f"because no identity-based policy allows the {action} action",
                )
        except _Refused as refusal:
            return refusal
        return self._ask_moto(request, operation, principal, region)

    def _authenticate(self, request: Request, claim: re.Match[str] | None) -> tuple[Principal, str]:
        if claim is None:
            if "Authorization" not in request.headers:
                raise _Refused("MissingAuthenticationTokenException", "Missing Authentication Token")
            raise _Refused("IncompleteSignatureException", "The Authorization header is not one of AWS4-HMAC-SHA256")
        principal = self._state.principal(claim["access_key"])
        # A session token belongs to temporary keys; beside those of a user, AWS does not know it.
        if principal is None or "X-Amz-Security-Token" in request.headers:
            raise _Refused("UnrecognizedClientException", "The security token included in the request is invalid.")
        if claim["service"] != "ecr":
            raise _Refused("InvalidSignatureException", "Credential should be scoped to correct service: 'ecr'.")
        _check_clock(request.headers.get("X-Amz-Date", ""), datetime.now(UTC))
        if not hmac.compare_digest(_signature(request, claim, principal), claim["signature"]):
            raise _Refused(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. Check your AWS "
                "Secret Access Key and signing method. Consult the service documentation for details.",
            )
        return principal, claim["region"]

    def _ask_moto(self, request: Request, operation: str, principal: Principal, region: str) -> Response:
        assert self._moto is not None
        body = request.get_data()
        response = Response.from_app(self._moto, {**request.environ, "wsgi.input": io.BytesIO(body)}, buffered=True)
        if operation != "GetAuthorizationToken" or response.status_code != 200:
            return response
        accounts = json.loads(body or b"{}").get("registryIds") or [principal.account]
        answer = json.loads(response.get_data())
        for entry, account in zip(answer["authorizationData"], accounts, strict=True):
            entry.update(self._new_token(account, region))
        return _json(answer)

    def _new_token(self, account: str, region: str) -> dict[str, Any]:
        expires_at = datetime.now(UTC) + self.token_life
        password = _password(expires_at)
        self._state.give(password, _Token(region, expires_at))
        return {
            "authorizationToken": b64encode(f"AWS:{password}".encode()).decode(),
            "expiresAt": round(expires_at.timestamp(), 3),
            "proxyEndpoint": f"https://{account}.dkr.ecr.{region}.{_dns_suffix(region)}",
        }

    def control(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Do what `POST /_control/COMMAND` with those arguments as JSON does; return its answer.

        `principal`, `fail`, `hang`, `answer`, `heal` and `expire-tokens` take what the methods take; `set` takes
        `token_life` and `latency`, in seconds; `verify` gives a `verdict`, `calls` the calls. Raises LookupError
        for another command, TypeError or ValueError for wrong arguments.
        """
        commands: dict[str, Callable[..., object]] = {
            "principal": lambda **given: asdict(self.principal(**given)),
            "set": self._set,
            "fail": self.fail,
            "hang": self.hang,
            "answer": lambda **content: self.answer(content),
            "heal": self.heal,
            "expire-tokens": self.expire_tokens,
            "verify": lambda host, username, password: {"verdict": self.verdict(host, username, password)},
            "calls": lambda: {"calls": [asdict(call) for call in self.calls]},
        }
        if command not in commands:
            raise LookupError(f"unknown command; there are: {', '.join(sorted(commands))}")
        result = commands[command](**arguments)
        return result if isinstance(result, dict) else {}

    def _set(self, token_life: float | None = None, latency: float | None = None) -> None:
        if token_life is not None:
            self.token_life = timedelta(seconds=token_life)
        if latency is not None:
            self.latency = float(latency)

    def _answer_control(self, request: Request) -> Response:
        try:
            arguments = json.loads(request.get_data() or b"{}")
            if not isinstance(arguments, dict):
                raise TypeError("the arguments must be a JSON object")
            return _json(self.control(request.path.removeprefix(_CONTROL), arguments))
        except LookupError as error:
            return _json({"error": error.args[0]}, 404)
        except (TypeError, ValueError) as error:
            return _json({"error": str(error)}, 400)


class _Handler(WSGIRequestHandler):
    # A connection that is kept open would be served on after stop().
    protocol_version = "HTTP/1.0"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write no access log."""


def _moto() -> WSGIApplication:
    # Here and not above: it takes half a second, which a test that needs no endpoint should not pay. And ECR alone,
    # made ahead of the first request: moto's dispatcher would make that one slow.
    from moto.moto_server.werkzeug_app import create_backend_app

    return create_backend_app("ecr")


def _check_clock(date: str, now: datetime) -> None:
    """Refuse what AWS refuses: a request that was signed more than five minutes ago or ahead."""
    try:
        signed_at = datetime.strptime(date, SIGV4_TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        raise _Refused("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.") from None
    moment = f"{now:{SIGV4_TIMESTAMP}}"
    if signed_at < (limit := now - _MAX_SKEW):
        complaint = f"Signature expired: {date} is now earlier than {limit:{SIGV4_TIMESTAMP}} ({moment} - 5 min.)"
    elif signed_at > (limit := now + _MAX_SKEW):
        complaint = (
            f"Signature not yet current: {date} is still later than {limit:{SIGV4_TIMESTAMP}} ({moment} + 5 min.)"
        )
    else:
        return
    raise _Refused("InvalidSignatureException", complaint)


def _signature(request: Request, claim: re.Match[str], principal: Principal) -> str:
    """Return what the request's signature would be if that principal had made it."""
    signed = claim["headers"].split(";")
    copy = AWSRequest(
        method=request.method,
        url=f"http://{request.host}{request.environ['RAW_URI']}",
        headers={name: request.headers.get(name, "") for name in signed},
        data=request.get_data(),
    )
    if "x-amz-content-sha256" in signed:  # botocore would take the request's word for it
        copy.headers.replace_header("x-amz-content-sha256", hashlib.sha256(request.get_data()).hexdigest())
    copy.context["timestamp"] = request.headers["X-Amz-Date"]
    keys = Credentials(principal.access_key, principal.secret_key)
    signer = SigV4Auth(keys, claim["service"], claim["region"])
    return signer.signature(signer.string_to_sign(copy, signer.canonical_request(copy)), copy)


def _json(content: dict[str, Any], status: int = 200) -> Response:
    headers = {"x-amzn-RequestId": secrets.token_hex(16)}
    return Response(json.dumps(content), status, headers, content_type="application/x-amz-json-1.1")


def _dns_suffix(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def _access_key() -> str:
    return "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))


def _secret_key() -> str:
    """Return 40 characters, always with the two that need care in URLs, YAML and base64."""
    letters = [secrets.choice(string.ascii_letters + string.digits) for _ in range(38)]
    for awkward in "/+":
        letters.insert(1 + secrets.randbelow(len(letters) - 1), awkward)
    return "".join(letters)


def _password(expires_at: datetime) -> str:
    """Return a random password of the form and size of ECR's (about 2,000 characters)."""
    payload, data_key = (b64encode(secrets.token_bytes(size)).decode() for size in (950, 170))
    content = {"payload": payload, "datakey": data_key, "version": "2", "type": "DATA_KEY"}
    return b64encode(json.dumps({**content, "expiration": int(expires_at.timestamp())}).encode()).decode()


def duration(text: str) -> timedelta:
    """Return what `90s`, `15m`, `12h` mean; raises ValueError for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if found is None:
        raise ValueError(f"not a duration such as 90s, 15m or 12h: {text}")
    unit = {"s": "seconds", "m": "minutes", "h": "hours"}[found[2]]
    return timedelta(**{unit: float(found[1])})


def main() -> None:
    """Run an endpoint until Ctrl-C or SIGTERM, with one principal, and print what to export."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.awsendpoint", description="Run a stand-in for ECR's API until Ctrl-C."
    )
    parser.add_argument("--port", type=int, default=0, help="listen here on 127.0.0.1 (default: a free port)")
    parser.add_argument("--token-life", type=duration, default="12h", help="how long tokens live (default: 12h)")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer (default: 0)")
    options = parser.parse_args()
    aws = AWSEndpoint(options.port)
    aws.token_life, aws.latency = options.token_life, options.latency
    try:
        with aws:
            print(_introduction(aws), flush=True)
            wait_for_signal()
    except StartError as error:
        raise SystemExit(f"error: {error}") from None


def _introduction(aws: AWSEndpoint) -> str:
    principal = aws.principal()
    return f"""\
export AWS_ACCESS_KEY_ID={principal.access_key}
export AWS_SECRET_ACCESS_KEY={principal.secret_key}
export AWS_REGION=eu-west-1
export AWS_DEFAULT_REGION=eu-west-1
export AWS_ENDPOINT_URL={aws.url}
# Faults on demand (also: principal, set, hang, answer, heal, expire-tokens, verify, calls):
#   curl {aws.url}/_control/fail -d '{{"code": "ThrottlingException", "message": "Rate exceeded", "times": 2}}'
#   curl {aws.url}/_control/calls"""


if __name__ == "__main__":
    main()
