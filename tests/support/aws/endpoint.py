"""The APIs of AWS that lead to a registry, for the tests: ECR, ECR Public and STS, over HTTP and in this process.

ECR is moto's, with what moto leaves out put in front of it: moto (5.2.5) looks at no key and hands out the same token
to everybody, dead since 2015. Here every request's Signature Version 4 is made again with the secret of whoever it
names, tokens are random and live for `AWSEndpoint.token_life`, every call is recorded, and a test can make the
endpoint fail, hang, answer nonsense, or go away and come back. One URL stands for all services, regions and
partitions: the service shows in the request, the region is that of the signature's scope.

The same powers are there over HTTP below `/_control/` (see `AWSEndpoint.control`), for the test registry and for
people. `python -m tests.support.aws.endpoint` runs one until Ctrl-C.

Error codes and texts are those of AWS: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html,
for ECR Public those that people report (https://github.com/fluxcd/pkg/pull/938), for STS see `sts`.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests.support.aws import hosts as ecrhosts
from tests.support.aws import sts
from tests.support.aws.iam import (
    Caller,
    Directory,
    Principal,
    Role,
    Session,
    new_access_key,
    new_secret_key,
    trust_policy,
)
from tests.support.aws.refusal import Refused
from tests.support.aws.signature import authenticate, claim_of
from tests.support.aws.tokens import Tokens, Verdict
from tests.support.aws.traffic import NO_ANSWER, Call, Fault, Question, Target, Traffic
from tests.support.harness.processes import Service, StartError, wait_for_signal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CONTROL = "/_control/"
_ECR, _PUBLIC, _STS = "ecr", "ecr-public", "sts"
_PUBLIC_TARGET = "SpencerFrontendService"
_POLL_SECONDS = 0.05


class AWSEndpoint(Service):
    """An endpoint for boto3's `endpoint_url`, from `start()` to `stop()`, or as a context manager.

    `token_life` (how long new tokens live) and `latency` (seconds before each answer) count from the next request
    on whenever they are set. Principals, tokens and faults outlast a stop and a start, which keeps the port. To start
    one that runs does nothing; StartError means that the port is taken.
    """

    def __init__(self, port: int = 0, address: str = "127.0.0.1") -> None:
        """Prepare; port 0 is one that is free."""
        self.token_life = timedelta(hours=12)
        self.latency = 0.0
        self._port = port
        self._address = address
        self._traffic = Traffic()
        self._iam = Directory()
        self._tokens = Tokens()
        # What to answer in place of expiresAt, if anything.
        self._expiry: dict[str, object] = {}
        self._server: BaseWSGIServer | None = None
        self._moto: WSGIApplication | None = None

    def _start(self) -> None:
        if self._server is not None:
            return
        self._moto = self._moto or _moto()
        try:
            listener = socket.create_server((self._address, self._port), backlog=128)
        except OSError as error:
            raise StartError(f"the AWS endpoint cannot listen on port {self._port}: {error.strerror}") from None
        with listener:  # the server works on a duplicate
            self._port = listener.getsockname()[1]
            serve = partial(self._serve, self._traffic.new_run())
            self._server = make_server(
                self._address, self._port, serve, threaded=True, request_handler=_Handler, fd=listener.fileno()
            )
        threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), name="aws", daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on and drop requests that wait for an answer. Does nothing when stopped."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        self._traffic.new_run()

    @property
    def url(self) -> str:
        """What to give as `endpoint_url`."""
        return f"http://{self._address}:{self._port}"

    def principal(
        self,
        account: str = "111122223333",
        access_key: str | None = None,
        secret_key: str | None = None,
        allowed: bool = True,
        public: bool = True,
    ) -> Principal:
        """Make an IAM user; keys that are not given are random. One with the same access key is replaced.

        One that is not `allowed` gets no token at all, one that is not `public` none of ECR Public.
        """
        principal = Principal(access_key or new_access_key(), secret_key or new_secret_key(), account, allowed, public)
        self._iam.add_principal(principal)
        return principal

    def role(
        self,
        name: str,
        account: str = "111122223333",
        *,
        trusts: Iterable[Principal | Role | str] = (),
        external_id: str | None = None,
        web_identities: Iterable[str] = (),
        allowed: bool = True,
        public: bool = True,
    ) -> Role:
        """Make an IAM role; one of the same name and account is replaced.

        `trusts` may assume it with keys (a str is an access key or a role's ARN), and with the external ID if there is
        one; `web_identities`, which are subjects such as `system:serviceaccount:NAMESPACE:NAME`, with a token.
        """
        role = Role(account, name, allowed, public)
        self._iam.add_role(role, trust_policy(trusts, external_id, web_identities))
        return role

    def session(self, role: Role, name: str = "test", life: timedelta = timedelta(hours=1)) -> Session:
        """Return the keys that somebody gets who assumes the role, without the call."""
        return self._iam.new_session(role, name, life)

    def trust_issuer(self, issuer: str, public_key_pem: bytes, audience: str = "sts.amazonaws.com") -> None:
        """Make an IAM OIDC provider, in all accounts; an issuer that is known gets this key besides those it has."""
        self._iam.add_key(issuer, public_key_pem, audience)

    def custom_host(self, host: str, region: str) -> None:
        """Let the tokens of that region log in to a host that is none of AWS, as if it stood in front of ECR."""
        self._tokens.add_custom_host(host, region)

    def forget_trust(self) -> None:
        """Forget roles, their sessions, OIDC providers and custom hosts; principals and tokens stay."""
        self._iam.forget_trust()
        self._tokens.forget_custom_hosts()

    @property
    def calls(self) -> list[Call]:
        """All requests so far, in the order in which their answer was decided (before `latency`)."""
        return self._traffic.calls()

    @property
    def web_identity_tokens(self) -> list[str]:
        """The tokens that came in `calls`, for a search of where else they got to."""
        return self._traffic.web_identity_tokens()

    @property
    def session_secrets(self) -> list[str]:
        """Access key, secret key and session token of everybody who assumed a role, for such a search."""
        return [key for each in self._iam.sessions() for key in (each.access_key, each.secret_key, each.session_token)]

    def forget_calls(self) -> None:
        """Begin `calls` and `web_identity_tokens` anew."""
        self._traffic.forget_calls()

    def count(self, operation: str, service: str | None = None) -> int:
        """Return how many requests for that operation there were (of that service), whatever became of them."""
        return sum(call.operation == operation and service in (None, call.service) for call in self.calls)

    def fail(
        self,
        code: str,
        message: str = "",
        status: int = 400,
        times: int | None = None,
        service: str | None = None,
        region: str | None = None,
        operation: str | None = None,
        access_key: str | None = None,
    ) -> None:
        """Answer this error to the next `times` requests, or to all until `heal()`.

        It can be limited to a service (`ecr`, `ecr-public`, `sts`), a region, an operation, a caller. Of several
        faults, the newest counts; one with the same limits is replaced. A request that is not signed is in no region.
        """
        target = Target(service, region, operation, access_key)
        self._traffic.add_fault(Fault(target, Refused(code, message, status), times))

    def hang(
        self,
        service: str | None = None,
        region: str | None = None,
        operation: str | None = None,
        access_key: str | None = None,
    ) -> None:
        """Accept requests and never answer; `heal()` and `stop()` drop those that wait. Limits are as for `fail`."""
        self._traffic.add_fault(Fault(Target(service, region, operation, access_key), None))

    def answer(
        self,
        content: dict[str, Any] | str,
        service: str | None = None,
        access_key: str | None = None,
        status: int = 200,
    ) -> None:
        """Answer this, with that status, until `heal()`; a text as it is. Limits are as for `fail`."""
        answer = Response(content, status) if isinstance(content, str) else _json(content, status)
        self._traffic.add_fault(Fault(Target(service, None, None, access_key), answer))

    def answer_expiry(self, value: object) -> None:
        """Answer this in place of `expiresAt`, or none at all for None, until `heal()`; tokens live as they do."""
        self._expiry = {"expiresAt": value}

    def heal(self) -> None:
        """End all that `fail`, `hang`, `answer` and `answer_expiry` began."""
        self._expiry = {}
        self._traffic.clear_faults()

    def expire_tokens(self) -> None:
        """Make all tokens for registries given so far dead from now on."""
        self._tokens.expire()

    def expire_sessions(self) -> None:
        """Make all keys of assumed roles given so far dead from now on."""
        self._iam.expire_sessions()

    def verify(self, host: str, username: str, password: str) -> bool:
        """Return whether a registry lets this login in (see `verdict`)."""
        return self.verdict(host, username, password) is Verdict.VALID

    def verdict(self, host: str, username: str, password: str) -> Verdict:
        """Return whether the password was given out for the host's region, and whether it is still alive.

        As with AWS, a token is good for the registries of all accounts in its region, under each of their names.
        """
        return self._tokens.verdict(host, username, password)

    def _serve(self, run: int, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        control = request.path.startswith(_CONTROL)
        response = self._answer_control(request) if control else self._answer_api(request, run)
        return response(environ, start_response)

    def _answer_api(self, request: Request, run: int) -> Response:
        question = _question(request)
        fault = self._traffic.take_fault(question)
        outcome = fault.outcome if fault else self._outcome(request, question)
        code = NO_ANSWER if outcome is None else outcome.code if isinstance(outcome, Refused) else ""
        self._traffic.record(question, code)
        if outcome is None:
            assert fault is not None
            self._traffic.wait_for_change(fault, run)
        if outcome is None or self._traffic.delay(self.latency, run):
            raise ConnectionAbortedError  # which werkzeug takes for a client that went away: no answer, no log
        return _refusal(question.service, outcome) if isinstance(outcome, Refused) else outcome

    def _outcome(self, request: Request, question: Question) -> Response | Refused:
        try:
            if question.service == _STS:
                return self._ask_sts(request, question)
            caller = authenticate(request, question.claim, question.service, self._iam)
            _authorize(caller, question)
            if question.service == _PUBLIC:
                return self._ask_public(question)
            return self._ask_moto(request, question, caller)
        except Refused as refusal:
            return refusal

    def _ask_sts(self, request: Request, question: Question) -> Response:
        caller = None
        if question.operation != sts.WEB_IDENTITY:
            try:
                caller = authenticate(request, question.claim, _STS, self._iam)
            except Refused as refusal:
                raise sts.as_query_error(refusal) from None
        return _xml(sts.answer(self._iam, question.parameters, caller, question.region))

    def _ask_public(self, question: Question) -> Response:
        if question.operation != "GetAuthorizationToken":
            raise Refused("UnknownOperationException", "")
        # One object, where ECR answers a list.
        return _json({"authorizationData": self._token(ecrhosts.PUBLIC)})

    def _ask_moto(self, request: Request, question: Question, caller: Caller) -> Response:
        assert self._moto is not None
        body = request.get_data()
        response = Response.from_app(self._moto, {**request.environ, "wsgi.input": io.BytesIO(body)}, buffered=True)
        if question.operation != "GetAuthorizationToken" or response.status_code != 200:
            return response
        accounts = json.loads(body or b"{}").get("registryIds") or [caller.account]
        answer = json.loads(response.get_data())
        for entry, account in zip(answer["authorizationData"], accounts, strict=True):
            endpoint = f"https://{ecrhosts.registry_host(account, question.region)}"
            entry.update(self._token(question.region), proxyEndpoint=endpoint)
            if entry["expiresAt"] is None:
                del entry["expiresAt"]
        return _json(answer)

    def _token(self, scope: str) -> dict[str, object]:
        return {**self._tokens.new(scope, self.token_life), **self._expiry}

    def control(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Do what `POST /_control/COMMAND` with those arguments as JSON does; return its answer.

        `principal`, `role`, `trust-issuer`, `custom-host`, `fail`, `hang`, `answer`, `answer-expiry`, `heal`,
        `expire-tokens` and `expire-sessions` take what the methods take; `set` takes `token_life` and `latency`, in
        seconds; `verify` gives a `verdict`, `calls` the calls. Raises LookupError for another command, TypeError or
        ValueError for wrong arguments.
        """
        commands: dict[str, Callable[..., object]] = {
            "principal": lambda **given: asdict(self.principal(**given)),
            "role": lambda **given: _described(self.role(**given)),
            "trust-issuer": lambda public_key_pem, **given: self.trust_issuer(
                public_key_pem=public_key_pem.encode(), **given
            ),
            "custom-host": self.custom_host,
            "set": self._set,
            "fail": self.fail,
            "hang": self.hang,
            "answer": lambda **content: self.answer(content),
            "answer-expiry": self.answer_expiry,
            "heal": self.heal,
            "expire-tokens": self.expire_tokens,
            "expire-sessions": self.expire_sessions,
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


def _question(request: Request) -> Question:
    """Return what is asked for: STS takes a form, ECR and ECR Public take JSON and name themselves in a header."""
    claim, user_agent = claim_of(request), request.headers.get("User-Agent", "")
    if request.mimetype == "application/x-www-form-urlencoded":
        parameters = dict(parse_qsl(request.get_data(as_text=True), keep_blank_values=True))
        return Question(_STS, parameters.get("Action", ""), claim, parameters, user_agent)
    name, _, operation = request.headers.get("X-Amz-Target", "").rpartition(".")
    return Question(_PUBLIC if name == _PUBLIC_TARGET else _ECR, operation, claim, {}, user_agent)


def _authorize(caller: Caller, question: Question) -> None:
    """Refuse what the caller's policies do not allow."""
    if question.service == _PUBLIC and question.region != ecrhosts.PUBLIC_REGION:
        raise Refused("InvalidSignatureException", "Credential should be scoped to a valid region.")
    needed = [(f"{question.service}:{question.operation}", caller.allowed)]
    if question.service == _PUBLIC:
        needed.append(("sts:GetServiceBearerToken", caller.public))
    for action, allowed in needed:
        if not allowed:
            raise Refused(
                "AccessDeniedException",
                f"User: {caller.arn(question.region)} is not authorized to perform: {action} on resource: * "
                f"because no identity-based policy allows the {action} action",
            )


def _refusal(service: str, refusal: Refused) -> Response:
    if service == _STS:
        return _xml(sts.error_xml(refusal), refusal.status)
    return _json({"__type": refusal.code, "message": str(refusal)}, refusal.status)


def _xml(content: str, status: int = 200) -> Response:
    return Response(content, status, content_type="text/xml")


def _json(content: dict[str, Any], status: int = 200) -> Response:
    headers = {"x-amzn-RequestId": secrets.token_hex(16)}
    return Response(json.dumps(content), status, headers, content_type="application/x-amz-json-1.1")


def _described(role: Role) -> dict[str, Any]:
    return {**asdict(role), "arn": role.arn()}


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
        prog="python -m tests.support.aws.endpoint",
        description="Run a stand-in for the APIs of ECR, ECR Public and STS until Ctrl-C.",
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
# Faults on demand (also: principal, role, trust-issuer, set, hang, answer, heal, expire-tokens, verify, calls):
#   curl {aws.url}/_control/fail -d '{{"code": "ThrottlingException", "message": "Rate exceeded", "times": 2}}'
#   curl {aws.url}/_control/calls"""


if __name__ == "__main__":
    main()
