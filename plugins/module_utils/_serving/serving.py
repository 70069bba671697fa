# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The custom resources of a host, served side by side: first the logins of each identity, then its resources."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from .._aws.session import Calls
from .._cluster.client import Cluster
from .._cluster.errors import KubernetesError
from .._contract import reasons
from .._contract.errors import unforeseen
from .._contract.item import Item
from .._contract.result import ErrorResult
from .._inventory.identities import Settings
from .._inventory.login_order import LoginOrder
from .._reconcile.reconciler import ReconcileResult, reconcile
from .._reconcile.report import short_life, task_result
from .._reconcile.request import AvailableLogins, Request
from .._secret.extra_logins import NO_EXTRA_LOGINS
from . import extra_auths
from .logins import Answer, carry_out

# Resources that are written at once. Python runs one thread at a time, so more would only wait for each other.
WRITERS = 8


@dataclass(frozen=True)
class Mode:
    """Ansible's modes of a task."""

    is_check: bool = False
    is_diff: bool = False


@dataclass(frozen=True)
class Progress:
    """What there is to tell: all results so far, how many of them, the last ones, are new, and how many are missing."""

    results: Sequence[dict]
    new: int
    unfinished: int


class Serving:
    """Serves items in threads from start() on; wait() tells of those that are done.

    Each identity has a thread for its calls to AWS, so that one that hangs keeps no other from being asked. Every call
    to AWS and to the API server ends in time, and so does this.
    """

    def __init__(
        self, cluster: Cluster, items: Sequence[Item], orders: Sequence[LoginOrder], settings: Settings, mode: Mode
    ) -> None:
        self.calls = Calls()
        self._cluster, self._settings, self._mode = cluster, settings, mode
        self._items, self._orders = items, orders
        self._results: list[dict] = []
        self._told = 0
        self._news = threading.Condition()

    def start(self) -> None:
        """Begin. One resource alone is served before this returns: there is nothing to do at the same time."""
        ordered = {reference: order for order in self._orders for reference in order.resources}
        # With None, those that need no logins.
        groups: dict[LoginOrder | None, list[Item]] = defaultdict(list)
        for item in self._items:
            groups[None if item.is_absent else ordered.get(item.reference)].append(item)
        if len(self._items) < 2:
            for order, (item,) in groups.items():
                self._serve(item, self._answer(order))
            return
        writers = ThreadPoolExecutor(WRITERS)
        askers = ThreadPoolExecutor(len(groups))
        for order, items in groups.items():
            askers.submit(self._ask, order, items, writers)

    def wait(self, patience: float) -> Progress:
        """Return what there is to tell: when all results are there, or after so many seconds with one that is new."""
        with self._news:
            self._news.wait_for(lambda: len(self._results) == len(self._items), patience)
            self._news.wait_for(lambda: len(self._results) == len(self._items) or len(self._results) > self._told)
            told, self._told = self._told, len(self._results)
            return Progress(list(self._results), self._told - told, len(self._items) - self._told)

    def _ask(self, order: LoginOrder | None, items: Iterable[Item], writers: Executor) -> None:
        answer = self._answer(order)
        for item in items:
            writers.submit(self._serve, item, answer)

    def _answer(self, order: LoginOrder | None) -> Answer:
        return carry_out(order, self._cluster, self._settings, self.calls) if order else Answer()

    def _serve(self, item: Item, answer: Answer) -> None:
        result = self._result(item, answer)
        with self._news:
            self._results.append(result)
            self._news.notify_all()

    def _result(self, item: Item, answer: Answer) -> dict:
        try:
            done = self._reconcile(item, answer)
            warning = item.warning or (short_life(done) if item.is_pass else None)
            result = task_result(item.secret_name, done, diff_mode=self._mode.is_diff)
            return {"resource": replace(item, warning=warning).summary(), **result}
        except Exception as error:  # noqa: BLE001 - the other resources of this process go on
            return {"resource": item.summary(), "changed": False, "failed": True, "msg": unforeseen(error)}

    def _reconcile(self, item: Item, answer: Answer) -> ReconcileResult:
        now = datetime.now(timezone.utc)
        is_written = not (item.is_absent or item.suspended or item.error)
        request = Request.of_item(item, extra_auths.read(self._cluster, item) if is_written else NO_EXTRA_LOGINS)
        try:
            available = AvailableLogins.of(request, answer.granted, answer.errors, now)
        except ValueError as error:
            # It is due, but the logins that were given to the task are not for it.
            return ReconcileResult(error=ErrorResult(reasons.INVALID_OPTION, str(error)))
        try:
            return reconcile(self._cluster, request, available, now, dry_run=self._mode.is_check)
        except KubernetesError as error:
            return ReconcileResult(error=ErrorResult(error.reason, str(error)))
