"""Who may read the metrics: whom the API server lets get the path /metrics, as with controller-runtime.

A bearer token is shown to the API server (TokenReview), which says whose it is, and then asked what this user may do
(SubjectAccessReview). What always holds: without its clear yes nobody reads anything; no token is kept or logged.

For how long answers are remembered is what controller-runtime has (pkg/metrics/filters): a scrape every 30 s costs a
call a minute.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple, Protocol

from kube_ecr_runner.contract.errors import ApiError
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.user import User
from kube_ecr_runner.telemetry.expiring_cache import ExpiringCache

USER_SECONDS = 60.0
ALLOWED_SECONDS = 300.0
DENIED_SECONDS = 30.0
MAX_REMEMBERED = 256
# A scraper that is turned away comes again every few seconds.
TOLD_SECONDS = 3600.0
# RFC 6750, 2.1: what is none is not worth a call.
_BEARER = re.compile(r"bearer +(?P<token>[A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_PATH = "/metrics"

_log = logging.getLogger(__name__)


class Reviewer(Protocol):
    """The API server, as far as it is asked here; both methods raise ApiError."""

    def user_of(self, token: str) -> User | None:
        """Return who a token stands for, None if nobody."""

    def may_get(self, user: User, path: str) -> bool:
        """Return whether a user may get a path that is no resource."""


class Refusal(NamedTuple):
    """Why somebody gets no metrics, for a person."""

    status: HTTPStatus
    text: str


class Authorization:
    """Judges requests; may be called from any thread."""

    def __init__(self, reviewer: Reviewer, clock: Callable[[], float] = time.monotonic) -> None:
        self._reviewer = reviewer
        # With a key that nobody else has, the digest of a token is worth nothing.
        self._salt = secrets.token_bytes(32)
        self._users: ExpiringCache[bytes, User] = ExpiringCache(MAX_REMEMBERED, clock)
        self._access: ExpiringCache[User, bool] = ExpiringCache(MAX_REMEMBERED, clock)
        self._told: ExpiringCache[str, bool] = ExpiringCache(MAX_REMEMBERED, clock)
        self._trouble = ""

    def refusal(self, authorization: str) -> Refusal | None:
        """Return why the request with that header gets nothing, None if it may read the metrics."""
        found = _BEARER.fullmatch(authorization.strip())
        if not found:
            return Refusal(HTTPStatus.UNAUTHORIZED, "show a token: Authorization: Bearer TOKEN")
        try:
            return self._judge(found["token"])
        except ApiError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                _log.error("cannot tell who may read the metrics", extra=fields(cause=error))
            return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the API server cannot be asked who you are; see the log")

    def _judge(self, token: str) -> Refusal | None:
        user = self._user_of(token)
        if user is None:
            text = "the API server does not take this token: it has expired, is not valid, or is for another audience"
            self._tell("", text)
            return Refusal(HTTPStatus.UNAUTHORIZED, text)
        if not self._may_read(user):
            text = f"{user.name} may not get the nonResourceURL {_PATH}; bind a ClusterRole that allows it"
            self._tell(user.name, text)
            return Refusal(HTTPStatus.FORBIDDEN, text)
        return None

    def _user_of(self, token: str) -> User | None:
        digest = hmac.digest(self._salt, token.encode(), "sha256")
        user = self._users.get(digest)
        if user is None:
            user = self._asked(self._reviewer.user_of, token)
            # A token that is not taken is asked for again: the API server does not say whether it only had trouble.
            if user is not None:
                self._users.put(digest, user, USER_SECONDS)
        return user

    def _may_read(self, user: User) -> bool:
        is_allowed = self._access.get(user)
        if is_allowed is None:
            is_allowed = self._asked(self._reviewer.may_get, user, _PATH)
            self._access.put(user, is_allowed, ALLOWED_SECONDS if is_allowed else DENIED_SECONDS)
        return is_allowed

    def _asked[**P, T](self, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        answer = ask(*args, **kwargs)
        if self._trouble:
            self._trouble = ""
            _log.info("can tell again who may read the metrics")
        return answer

    def _tell(self, who: str, cause: str) -> None:
        """Log it once an hour for each user."""
        if not self._told.get(who):
            self._told.put(who, True, TOLD_SECONDS)
            _log.warning("turned away who wanted the metrics", extra=fields(cause=cause))
