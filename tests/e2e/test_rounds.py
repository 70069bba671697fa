"""One ansible-playbook works for many rounds: what happens in one costs the next nothing, and tells it nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import NAMESPACED, Cluster, condition, pull_secret
from tests.support.harness.processes import contents_below, watch_processes
from tests.support.harness.runner import Runner


def parent_of(pid: int) -> int:
    """Return the process that started another, 0 if that is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def playbooks(runner: Runner) -> list[int]:
    """Return the processes of ansible-playbook itself, without its workers."""
    assert runner.process
    return [pid for pid in runner.processes() if parent_of(pid) == runner.process.pid]


def workers(runner: Runner) -> list[int]:
    """Return the processes that work for a task."""
    return [pid for pid in runner.processes() if parent_of(pid) in playbooks(runner)]


def serve(cluster: Cluster, runner: Runner, namespace: str, principal: Principal) -> None:
    """Have a resource of that namespace served, in a round of its own."""
    rounds = len(runner.runs())
    cluster.create(pull_secret("app", principal, namespace=namespace))
    cluster.wait_ready(NAMESPACED, "app", namespace)
    cluster.wait(lambda: len(runner.runs()) > rounds, "the round is over")


@pytest.mark.slow
def test_nothing_of_a_round_is_left_for_the_next(cluster: Cluster, aws: AWSEndpoint, runner: Runner) -> None:
    """Searched while a later round works: the files and environments of its processes, and then the log."""
    first, refused, last = cluster.namespaces("first", "refused", "last")
    callers = [aws.principal() for _ in range(3)]
    runner.start()
    cluster.wait(runner.is_watching, "it watches")
    serve(cluster, runner, first, callers[0])
    (process,) = playbooks(runner)
    aws.fail("AccessDeniedException", f"canary {callers[1].secret_key}", access_key=callers[1].access_key)
    cluster.create(pull_secret("app", callers[1], namespace=refused))
    cluster.wait_ready(NAMESPACED, "app", refused, status="False")
    aws.hang(access_key=callers[2].access_key)
    with watch_processes(Path(runner.temporary).parent) as seen:
        cluster.create(pull_secret("app", callers[2], namespace=last))
        cluster.wait(lambda: len(aws.calls) > 2, "AWS was asked for the last one")
        assert playbooks(runner) == [process], "the same process serves it"
        private = contents_below(runner.temporary)
    aws.heal()
    cluster.wait_ready(NAMESPACED, "app", last)
    names = next(content for content in private if b'"AWSECRImagePullSecret/' in content)
    assert f"{last}/app".encode() in names
    assert not any(f"{name}/app".encode() in content for name in (first, refused) for content in private)
    password = cluster.config(first)["auths"][callers[0].registry()]["password"][-40:]
    keys = [key for caller in callers for key in (caller.access_key, caller.secret_key)]
    for secret in (*keys, password, "canary"):
        assert secret not in runner.log
        assert not any(secret.encode() in content for content in (*private, *seen))


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_third_round_costs_that_round(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner
) -> None:
    names = cluster.namespaces("one", "two", "three", "four")
    runner.start()
    cluster.wait(runner.is_watching, "it watches")
    for name in names[:2]:
        serve(cluster, runner, name, principal)
    (process,) = playbooks(runner)
    aws.hang()
    cluster.create(pull_secret("app", aws.principal(), namespace=names[2]))
    cluster.wait(lambda: workers(runner) and len(aws.calls) > 2, "AWS was asked by a worker")
    for pid in workers(runner):
        os.kill(pid, signal.SIGKILL)
    app = cluster.wait_ready(NAMESPACED, "app", names[2], status="False")
    assert "a worker of ansible-playbook was killed" in condition(app, "Ready")["message"]
    aws.heal()
    serve(cluster, runner, names[3], principal)
    cluster.wait_ready(NAMESPACED, "app", names[2])
    assert process not in playbooks(runner), "another process went on"


@pytest.mark.slow
def test_a_round_that_hangs_is_stopped_at_its_deadline_and_the_next_is_served(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, start
) -> None:
    names = cluster.namespaces("one", "two", "three")
    runner = start("--log-level=debug", "--run-timeout=4")
    cluster.wait(runner.is_watching, "it watches")
    serve(cluster, runner, names[0], principal)
    (process,) = playbooks(runner)
    aws.hang()
    cluster.create(pull_secret("app", aws.principal(), namespace=names[1]))
    app = cluster.wait_ready(NAMESPACED, "app", names[1], status="False")
    assert "stopped at its deadline of 4 s" in condition(app, "Ready")["message"]
    aws.heal()
    serve(cluster, runner, names[2], principal)
    cluster.wait_ready(NAMESPACED, "app", names[1])
    assert process not in playbooks(runner), "another process went on"
