"""What is read in the answers to reviews, and that no error quotes what was asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kube_ecr_runner.cluster.errors import KubernetesError, malformed
from kube_ecr_runner.cluster.reviews import Reviews
from kube_ecr_runner.contract.answers import WrongAnswer
from kube_ecr_runner.model.user import User

CANARY = "canary-token"
USER = User("alice", "1", ("a", "b"), (("scopes", ("x", "y")),))


class Server:
    """An API server that gives one answer, or fails; sent is what it was asked last."""

    def __init__(self, status: object = None, error: KubernetesError | None = None, **changes: object) -> None:
        self.answer, self.error, self.changes = status, error, changes
        self.sent: dict[str, Any] = {}

    def reviews(self) -> Reviews:
        def call(told: str, method: str, path: str, query: dict, parse: Any, *, body: Any, **_: object) -> Any:
            self.sent = {"path": path, **body}
            if self.error:
                raise self.error
            try:
                return parse(json.dumps({**body, "status": self.answer} | self.changes).encode())
            except WrongAnswer as error:
                raise malformed(told, "https://api", error) from None

        return Reviews(call)


ALICE = {"username": "alice", "uid": "1", "groups": ["a", "b"], "extra": {"scopes": ["x", "y"]}}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"authenticated": True, "user": ALICE}, USER),
        ({"authenticated": True, "user": {"username": "bob"}}, User("bob")),
        ({"authenticated": False, "user": ALICE}, None),
        ({"authenticated": "true", "user": ALICE}, None),
        ({"user": ALICE}, None),
        ({"authenticated": True}, None),
        ({"authenticated": True, "user": {"username": ""}}, None),
        ({"error": "invalid bearer token"}, None),
        ({}, None),
    ],
)
def test_only_who_is_authenticated_is_somebody(status: dict, expected: User | None) -> None:
    server = Server(status)
    assert server.reviews().user_of(CANARY) == expected
    assert server.sent["spec"] == {"token": CANARY}
    assert server.sent["path"] == "/apis/authentication.k8s.io/v1/tokenreviews"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"allowed": True}, True),
        ({"allowed": True, "denied": False}, True),
        ({"allowed": True, "denied": True}, False),
        ({"allowed": False}, False),
        ({"allowed": "true"}, False),
        ({}, False),
    ],
)
def test_only_a_clear_yes_is_one(status: dict, expected: bool) -> None:
    server = Server(status)
    assert server.reviews().may_get(USER, "/metrics") is expected
    assert server.sent["path"] == "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert server.sent["spec"] == {
        "user": "alice",
        "uid": "1",
        "groups": ["a", "b"],
        "extra": {"scopes": ["x", "y"]},
        "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
    }


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (Server({}, kind="SubjectAccessReview"), "is a SubjectAccessReview, and no TokenReview"),
        (Server({}, spec={"token": "another"}), "is about something else than what was asked"),
        (Server({}, spec=None), "is about something else than what was asked"),
        (Server(None), "is a review without a status"),
        (
            Server(error=KubernetesError("c", 403, "Forbidden", CANARY)),
            "grant the runner create of tokenreviews.authent",
        ),
        (Server(error=KubernetesError("c", 500, "InternalError", CANARY)), "answered with HTTP status 500"),
        (Server(error=KubernetesError("c", 0, "Unreachable", "no connection")), "no connection"),
    ],
    ids=["kind", "token", "nothing", "status", "forbidden", "trouble", "unreachable"],
)
def test_anything_else_is_an_error_that_quotes_nothing(server: Server, words: str) -> None:
    """An admission plugin may word a refusal with what was sent."""
    with pytest.raises(KubernetesError) as caught:
        server.reviews().user_of(CANARY)
    assert str(caught.value).startswith("create a TokenReview: ")
    assert words in str(caught.value)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
