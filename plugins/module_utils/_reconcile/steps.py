# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How steps that change objects act: side by side, and again where somebody else changed the object meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from .._cluster.client import CONFLICT_ATTEMPTS
from .._cluster.errors import KubernetesError
from .._contract.item import NamespacedName
from .._contract.result import FAILED
from .outcomes import ObjectOutcome, is_terminating

# How many calls to the API server a step makes at once: as many as the client keeps connections.
PARALLEL = 16

# Of the objects that this process changes: resources may share a Secret or a service account.
_locks: dict[NamespacedName, threading.Lock] = {}

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(act: Callable[[T], R], places: Iterable[T]) -> list[R]:
    """Return what an act comes to in each of the places, in their order."""
    places = list(places)
    # A thread for one would only cost time.
    if len(places) < 2:
        return [act(place) for place in places]
    with ThreadPoolExecutor(min(PARALLEL, len(places))) as pool:
        return list(pool.map(act, places))


def alone_at(place: NamespacedName) -> threading.Lock:
    """Return the lock for what is called so, a Secret or a service account: no other thread then changes it as well.

    Without, each change of one is a conflict for all others, who would soon have had their attempts.
    """
    return _locks.setdefault(place, threading.Lock())


def retry_on_conflict(
    place: NamespacedName, act: Callable[[NamespacedName], ObjectOutcome | None]
) -> ObjectOutcome | None:
    """Return what an act on an object comes to, None where nothing was to be done; never raises.

    act reads the object, and changes it as it was read. A conflict means that somebody was faster, so it is done again.
    What is not there, or goes with its namespace, needs nothing done.
    """
    for attempts_left in reversed(range(CONFLICT_ATTEMPTS)):
        try:
            with alone_at(place):
                return act(place)
        except KubernetesError as error:
            if error.status == 404 or is_terminating(error.status, error.text):
                return None
            if error.status != 409 or not attempts_left:
                return failed_outcome(place, error)
    raise AssertionError("unreachable")


def failed_outcome(place: NamespacedName, error: KubernetesError) -> ObjectOutcome:
    """Return what a refusal to change an object comes to."""
    return ObjectOutcome(place.namespace, place.name, FAILED, error.reason, str(error))
