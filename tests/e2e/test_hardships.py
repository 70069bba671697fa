"""What can happen to the process at 3 a.m.: it is killed, its disk is full, it may write next to nowhere."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from tests.support.awsendpoint import AWSEndpoint
from tests.support.cluster import GROUP, NAMESPACED, Cluster, condition, pull_secret
from tests.support.coverage import valid_secrets
from tests.support.processes import children
from tests.support.runner import Runner

IDENTITIES = 4
# KUBE_ECR_KILLS=40 KUBE_ECR_KILL_RESOURCES=200 for more of it.
KILLS = int(os.environ.get("KUBE_ECR_KILLS", "4"))
RESOURCES = int(os.environ.get("KUBE_ECR_KILL_RESOURCES", "40"))
# How long a run for so many resources works at most on a machine that does nothing else.
RUN_SECONDS = 0.2 + 0.02 * RESOURCES


class Fleet:
    """Many resources with a namespace each, and rounds in which all of them are asked to get a new token."""

    def __init__(self, cluster: Cluster, aws: AWSEndpoint, size: int) -> None:
        self._cluster, self._aws = cluster, aws
        self.namespaces = cluster.namespaces(*(f"team-{number}" for number in range(size)))
        self._round = ""
        principals = [aws.principal() for _ in range(IDENTITIES)]
        shares = zip(self.namespaces, itertools.cycle(principals), strict=False)
        cluster.apply(*(pull_secret("app", principal, namespace=name) for name, principal in shares))

    def begin(self, number: int) -> None:
        """Begin a round."""
        self._round = str(number)
        mark = f"{GROUP}/reconcile-at={number}"
        self._cluster.kubectl("annotate", "aeps", "--all", "-A", mark, "--overwrite")

    def is_done(self) -> bool:
        """Return whether the round is over, for all of them."""
        found = self._cluster.resources(NAMESPACED)
        return all(
            each.get("status", {}).get("lastHandledReconcileAt", "") == self._round
            and condition(each, "Ready").get("status") == "True"
            for each in found
        )

    def check(self) -> None:
        """No Secret is lost, or half-written."""
        lost = {*self.namespaces} - valid_secrets(self._cluster.core, self._aws).keys()
        assert not lost, f"without a valid Secret: {sorted(lost)}"


def playbooks(runner: Runner) -> list[int]:
    """Return the processes of ansible-playbook that the runner started: one that waits, or one that works."""
    return children(runner.process.pid) if runner.process else []


def forks(runner: Runner) -> list[int]:
    return [fork for each in playbooks(runner) for fork in children(each)]


def kill(find: Callable[[], list[int]], cluster: Cluster) -> None:
    """Kill one of these processes, which come and go; wait until there is one."""

    def is_killed() -> bool:
        for pid in find()[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    cluster.wait(is_killed, "there is one to kill")


def test_nothing_is_lost_when_a_process_is_killed_at_any_moment_of_a_run(
    cluster: Cluster, aws: AWSEndpoint, runner: Runner
) -> None:
    """The runner is killed alone: its children get no signal of that, and end all the same."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # which pytest shows when the test fails
    dice = random.Random(seed)
    fleet = Fleet(cluster, aws, RESOURCES)
    runner.start()
    cluster.wait(fleet.is_done, "all are served")
    aws.latency = 0.2
    for number in range(1, KILLS + 1):
        calls = len(aws.calls)
        fleet.begin(number)
        victim = ("new", "fork", "playbook", "runner")[(number - 1) % 4]
        if victim == "new":  # as soon as there is an ansible-playbook: long before it comes to our code
            runner.stop()
            runner.start()
            cluster.wait(partial(playbooks, runner), "ansible-playbook begins")
        else:
            cluster.wait(lambda calls=calls: len(aws.calls) > calls, "AWS is asked")
            time.sleep(dice.uniform(0, RUN_SECONDS))
        if victim in ("new", "runner"):
            runner.stop(signal.SIGKILL)
            cluster.wait(lambda: not runner.processes(), "all that it started has ended")
            assert list(runner.temporary.iterdir()), "a directory was left behind"
            fleet.check()
            runner.start()
        else:
            kill(partial(forks if victim == "fork" else playbooks, runner), cluster)
        cluster.wait(fleet.is_done, f"what was begun when {victim} was killed is done")
        fleet.check()
        running = playbooks(runner)
        assert len(running) <= 1
