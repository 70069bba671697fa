# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a step that changes one object deals with those who change it at the same time, and with refusals."""

from __future__ import annotations

from collections.abc import Callable

from .._cluster.client import CONFLICT_ATTEMPTS, KubernetesError
from .._contract.item import NamespacedName
from .outcomes import ObjectOutcome, is_terminating


def retry_on_conflict(
    place: NamespacedName, act: Callable[[NamespacedName], ObjectOutcome | None]
) -> ObjectOutcome | None:
    """Return what an act on an object comes to, None where nothing was to be done; never raises.

    act reads the object, and changes it as it was read. A conflict means that somebody was faster, so it is done again.
    What is not there, or goes with its namespace, needs nothing done.
    """
    for attempt in range(CONFLICT_ATTEMPTS):
        try:
            return act(place)
        except KubernetesError as error:
            if error.status == 404 or is_terminating(error.status, error.text):
                return None
            if error.status != 409 or attempt == CONFLICT_ATTEMPTS - 1:
                return failed_step(place, error)
    raise AssertionError("unreachable")


def failed_step(place: NamespacedName, error: KubernetesError) -> ObjectOutcome:
    """Return what a refusal comes to."""
    return ObjectOutcome(place.namespace, place.name, "failed", error.reason, str(error))
