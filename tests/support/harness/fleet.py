"""Many custom resources at a time, whether each is served, and the processes that serve them."""

from __future__ import annotations

import itertools
from contextlib import suppress
from pathlib import Path

from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.objects import GROUP, NAMESPACED, Cluster, condition, pull_secret
from tests.support.harness.processes import children
from tests.support.harness.runner import Runner
from tests.support.oracle.valid_secrets import valid_secrets

_IDENTITIES = 4


class Fleet:
    """Many resources with a namespace each, and rounds in which all of them are asked to get a new token.

    They share a few AWS identities.
    """

    def __init__(self, cluster: Cluster, aws: AWSEndpoint, size: int) -> None:
        self._cluster, self._aws = cluster, aws
        self.namespaces = cluster.namespaces(*(f"team-{number}" for number in range(size)))
        self._round = ""
        principals = [aws.principal() for _ in range(_IDENTITIES)]
        shares = zip(self.namespaces, itertools.cycle(principals), strict=False)
        self.manifests = {name: pull_secret("app", principal, namespace=name) for name, principal in shares}
        cluster.apply(*self.manifests.values())

    def begin(self, number: int) -> None:
        """Begin a round."""
        self._round = str(number)
        for name in self.namespaces:
            self._cluster.annotate(NAMESPACED, "app", name, f"{GROUP}/reconcile-at", self._round)

    def is_done(self) -> bool:
        """Return whether the round is over, for all of them."""
        found = self._cluster.resources(NAMESPACED)
        return all(
            each.get("status", {}).get("lastHandledReconcileAt", "") == self._round
            and condition(each, "Ready").get("status") == "True"
            for each in found
        )

    def told(self, *words: str) -> bool:
        """Return whether the status of each has these words in why the refresh fails."""
        found = [condition(each, "RefreshFailing") for each in self._cluster.resources(NAMESPACED)]
        return all(each.get("status") == "True" and all(word in each["message"] for word in words) for each in found)

    def check(self) -> None:
        """No Secret is lost, or half-written."""
        lost = {*self.namespaces} - valid_secrets(self._cluster.core, self._aws).keys()
        assert not lost, f"without a valid Secret: {sorted(lost)}"


def playbooks(runner: Runner) -> list[int]:
    """Return the processes of ansible-playbook that the runner started: one that waits, or one that works."""
    return children(runner.process.pid) if runner.process else []


def forks(runner: Runner) -> list[int]:
    """Return the workers of these."""
    return [fork for each in playbooks(runner) for fork in children(each)]


def waits(playbook: int) -> bool:
    """Return whether it waits to be told what to work for: it has the FIFO open."""
    with suppress(OSError):
        return any(str(each.readlink()).endswith("/release") for each in Path(f"/proc/{playbook}/fd").iterdir())
    return False
