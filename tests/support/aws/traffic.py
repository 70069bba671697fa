"""What goes over the wire of the AWS endpoint: calls, which are recorded, and faults, which answer some of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from werkzeug.wrappers import Response

from tests.support.aws.refusal import Refused
from tests.support.aws.signature import Claim

NO_ANSWER = "NoAnswer"
"""The code of a `Call` that `AWSEndpoint.hang` swallowed."""


@dataclass(frozen=True)
class Call:
    """A request that the endpoint got; `code` is the error that it answered, empty for a success.

    `access_key` and `region` are what the request claims, empty where it is not signed; `service` is `ecr`,
    `ecr-public` or `sts`; `session_name` is what somebody wants to be called in a role. `user_agent` is no part of what
    makes two calls the same.
    """

    operation: str
    access_key: str
    region: str
    code: str
    service: str = "ecr"
    session_name: str = ""
    user_agent: str = field(default="", compare=False)


@dataclass(frozen=True)
class Question:
    """What a request asks for; `parameters` are those of STS."""

    service: str
    operation: str
    claim: Claim | None
    parameters: Mapping[str, str]
    user_agent: str = ""

    @property
    def region(self) -> str:
        """The region of the signature, empty where there is none."""
        return self.claim.region if self.claim else ""

    def call(self, code: str) -> Call:
        """Return what is recorded when it is answered by that error."""
        access_key = self.claim.access_key if self.claim else ""
        session_name = self.parameters.get("RoleSessionName", "")
        return Call(self.operation, access_key, self.region, code, self.service, session_name, self.user_agent)


@dataclass(frozen=True)
class Target:
    """Which requests a fault is for; None is any."""

    service: str | None
    region: str | None
    operation: str | None
    access_key: str | None = None

    def fits(self, question: Question) -> bool:
        """Return whether that is such a request."""
        wanted = (self.service, self.region, self.operation, self.access_key)
        found = (question.service, question.region, question.operation, question.call("").access_key)
        return all(want in (None, have) for want, have in zip(wanted, found, strict=True))


@dataclass(eq=False)
class Fault:
    """What the next `times` requests get (None: all, until it is replaced or healed); no outcome: no answer."""

    target: Target
    outcome: Refused | Response | None
    times: int | None = None


class Traffic:
    """What requests, the control interface and the tests share of calls and faults, behind one lock.

    What waits (a hanging request, one that is delayed) waits on the same lock, so that it notices a change.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls: list[Call] = []
        self._web_identity_tokens: list[str] = []
        self._faults: list[Fault] = []
        self._run = 0

    def record(self, question: Question, code: str) -> None:
        """Note a request and the error that answers it, empty for a success."""
        with self._changed:
            self._calls.append(question.call(code))
            if token := question.parameters.get("WebIdentityToken"):
                self._web_identity_tokens.append(token)

    def calls(self) -> list[Call]:
        """Return what was recorded, in order."""
        with self._changed:
            return list(self._calls)

    def web_identity_tokens(self) -> list[str]:
        """Return the tokens in what was recorded."""
        with self._changed:
            return list(self._web_identity_tokens)

    def forget_calls(self) -> None:
        """Begin the record anew."""
        with self._changed:
            self._calls.clear()
            self._web_identity_tokens.clear()

    def add_fault(self, fault: Fault) -> None:
        """Put a fault before the others; one with the same target is replaced."""
        with self._changed:
            self._faults = [each for each in self._faults if each.target != fault.target] + [fault]
            self._changed.notify_all()

    def clear_faults(self) -> None:
        """End all faults."""
        with self._changed:
            self._faults = []
            self._changed.notify_all()

    def take_fault(self, question: Question) -> Fault | None:
        """Return the newest fault that is for such a request."""
        with self._changed:
            fault = next((each for each in reversed(self._faults) if each.target.fits(question)), None)
            if fault is not None and fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
            return fault

    def new_run(self) -> int:
        """Number the stretches between start and stop; what waits in an older one is let go."""
        with self._changed:
            self._run += 1
            self._changed.notify_all()
            return self._run

    def wait_for_change(self, fault: Fault, run: int) -> None:
        """Return when that fault is no longer, or that run is over."""
        with self._changed:
            self._changed.wait_for(lambda: fault not in self._faults or self._run != run)

    def delay(self, seconds: float, run: int) -> bool:
        """Return whether that run is over, after so many seconds or as soon as it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._run != run, seconds)
