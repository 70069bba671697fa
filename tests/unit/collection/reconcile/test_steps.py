"""Steps that change objects, side by side."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import NamespacedName
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.result import ADDED
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.outcomes import ObjectOutcome
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.steps import retry_on_conflict

MANY = 24


class Account:
    """An object that is changed as it was read, or not at all."""

    def __init__(self) -> None:
        self.version = 0
        self._lock = threading.Lock()

    def change(self, place: NamespacedName) -> ObjectOutcome:
        version = self.version
        time.sleep(0.002)
        with self._lock:
            if version != self.version:
                raise KubernetesError("patch serviceaccounts/builder", 409, "Conflict", "the object has been modified")
            self.version += 1
        return ObjectOutcome(place.namespace, place.name, ADDED)


def test_many_resources_of_one_run_can_change_one_object() -> None:
    """Otherwise each change would be a conflict for all others, and their attempts soon used up."""
    account, place = Account(), NamespacedName("team-a", "builder")
    with ThreadPoolExecutor(MANY) as pool:
        outcomes = list(pool.map(lambda _: retry_on_conflict(place, account.change), range(MANY)))
    assert [outcome and outcome.state for outcome in outcomes] == [ADDED] * MANY
