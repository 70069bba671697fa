"""Who may read the metrics, by what the API server says; nobody without its yes."""

from __future__ import annotations

import logging

import pytest

from kube_ecr_runner.contract.errors import ApiError
from kube_ecr_runner.model.user import User
from kube_ecr_runner.telemetry import authorization as module
from kube_ecr_runner.telemetry.authorization import Authorization

CANARY = "canary.token-of_a~scraper+/=="
PROMETHEUS = User("system:serviceaccount:monitoring:prometheus", "1", ("system:authenticated",))
OTHER = User("other")


class Server:
    """An API server that knows one token for each user, and notes what it is asked."""

    def __init__(self) -> None:
        self.now = 0.0
        self.users = {CANARY: PROMETHEUS, "other": OTHER}
        self.allowed = {PROMETHEUS}
        self.error = ""
        self.asked: list[object] = []

    def user_of(self, token: str) -> User | None:
        self._ask("who")
        return self.users.get(token)

    def may_get(self, user: User, path: str) -> bool:
        self._ask((user.name, path))
        return user in self.allowed

    def _ask(self, what: object) -> None:
        self.asked.append(what)
        if self.error:
            raise ApiError(self.error)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def authorization(server: Server) -> Authorization:
    return Authorization(server, lambda: server.now)


def status(authorization: Authorization, header: str) -> int:
    refusal = authorization.refusal(header)
    assert refusal is None or CANARY not in refusal.text
    return 200 if refusal is None else refusal.status.value


@pytest.mark.parametrize(
    ("header", "expected", "asked"),
    [
        (f"Bearer {CANARY}", 200, 2),
        (f"bearer   {CANARY} ", 200, 2),
        ("Bearer other", 403, 2),
        ("Bearer unknown", 401, 1),
        ("", 401, 0),
        ("Bearer", 401, 0),
        ("Bearer ", 401, 0),
        ("Bearer a b", 401, 0),
        ("Bearer ä", 401, 0),
        ('Bearer "', 401, 0),
        (CANARY, 401, 0),
        (f"Basic {CANARY}", 401, 0),
    ],
)
def test_a_request_gets_what_its_header_is_worth(
    authorization: Authorization, server: Server, header: str, expected: int, asked: int
) -> None:
    """What can be no token is not worth a call."""
    assert status(authorization, header) == expected
    assert len(server.asked) == asked


def test_answers_are_remembered_for_as_long_as_by_controller_runtime(
    authorization: Authorization, server: Server
) -> None:
    def asked(seconds: float, token: str = CANARY) -> tuple[int, list[object]]:
        server.asked.clear()
        server.now += seconds
        return status(authorization, f"Bearer {token}"), server.asked.copy()

    right = (PROMETHEUS.name, "/metrics")
    assert asked(0) == (200, ["who", right])
    server.allowed.clear()
    assert asked(59) == (200, [])
    assert asked(1) == (200, ["who"])
    assert asked(239) == (200, ["who"]), "a binding that was removed counts for 5 minutes"
    assert asked(1) == (403, [right])
    server.allowed.add(PROMETHEUS)
    assert asked(29) == (403, [])
    assert asked(1) == (200, [right]), "one that was added, after 30 seconds at most"
    server.users.clear()
    assert asked(28) == (200, [])
    assert asked(1) == (401, ["who"]), "a token that was revoked counts for a minute"
    assert asked(0) == (401, ["who"]), "that it is not taken is not remembered"


def test_an_api_server_that_cannot_be_asked_lets_nobody_in_and_is_told_once(
    authorization: Authorization, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    assert status(authorization, f"Bearer {CANARY}") == 200
    server.error = "create a TokenReview: no connection"
    caplog.set_level(logging.INFO, logger="kube_ecr_runner")
    assert status(authorization, f"Bearer {CANARY}") == 200, "what is remembered counts"
    assert [status(authorization, "Bearer other") for _ in range(2)] == [503, 503]
    server.now += module.ALLOWED_SECONDS
    assert status(authorization, f"Bearer {CANARY}") == 503
    server.error = ""
    assert status(authorization, f"Bearer {CANARY}") == 200
    lines = ["cannot tell who may read the metrics", "can tell again who may read the metrics"]
    assert [each.message for each in caplog.records] == lines


def test_who_is_turned_away_is_told_once_an_hour_and_no_token_is(
    authorization: Authorization, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.allowed.clear()
    server.users["second"] = PROMETHEUS
    for token in (CANARY, "second", "other", "unknown", "unknown-2"):
        assert status(authorization, f"Bearer {token}") in (401, 403)
    told = [each.fields["cause"].split()[0] for each in caplog.records]  # type: ignore[attr-defined]
    assert told == [PROMETHEUS.name, "other", "the"]
    server.now += module.TOLD_SECONDS
    assert status(authorization, f"Bearer {CANARY}") == 403
    assert len(caplog.records) == 4
    assert CANARY not in caplog.text + repr(vars(authorization)) + repr([vars(each) for each in caplog.records])
    assert CANARY.encode() not in b"".join(authorization._users._entries)
