"""Several runners, one Lease: one works, the other takes over, and one that lost it writes nothing more."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.api_proxy import APIProxy, How
from tests.support.cluster.objects import NAMESPACED, Cluster, pull_secret
from tests.support.cluster.placement import grant
from tests.support.harness.ansible import Ansible
from tests.support.harness.runner import Runner, run_once

Start = Callable[..., Runner]


@pytest.fixture
def home(cluster: Cluster) -> str:
    """The namespace of the Lease."""
    (namespace,) = cluster.namespaces("lease")
    return namespace


@pytest.fixture
def replica(ansible: Ansible, home: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a runner of a name, with a home and a TMPDIR of its own, that works only with the Lease."""
    with tempfile.TemporaryDirectory() as temporary:
        started: list[Runner] = []

        def start(name: str, **env: str) -> Runner:
            own, scratch = Path(temporary, name), Path(temporary, f"{name}-tmp")
            own.mkdir()
            scratch.mkdir()
            settings = Ansible(own, {**ansible.env, "TMPDIR": str(scratch), "KUBE_ECR_LEADER_ELECT": "true", **env})
            started.append(Runner(settings, tmp_path / f"{name}.log", "--lease", f"{home}/runner"))
            started[-1].start()
            return started[-1]

        yield start
        for runner in started:
            runner.stop()
            assert "Traceback" not in runner.log
            assert "please report it" not in runner.log


def leads(runner: Runner) -> bool:
    return " became leader " in runner.log


def waits(runner: Runner) -> bool:
    return " waiting, another replica is the leader " in runner.log


def lease(cluster: Cluster, namespace: str) -> dict:
    return json.loads(cluster.kubectl("get", "lease", "runner", "-n", namespace, "-o", "json"))["spec"]


def make_pod(cluster: Cluster, namespace: str) -> dict:
    """Return the metadata of a pod, which no node runs."""
    cluster.wait_account(namespace)
    cluster.kubectl("run", "pod", "-n", namespace, "--image=registry.example.com/runner")
    return json.loads(cluster.kubectl("get", "pod", "pod", "-n", namespace, "-o", "json"))["metadata"]


@pytest.mark.slow
@pytest.mark.versions
def test_the_other_one_takes_over_after_a_kill_and_after_a_clean_stop(
    cluster: Cluster, principal: Principal, replica: Start, home: str
) -> None:
    first, second, third = cluster.namespaces("first", "second", "third")
    one = replica("one")
    cluster.wait(lambda: leads(one), "the first one leads")
    two = replica("two")
    cluster.wait(lambda: waits(two), "the second one waits")
    cluster.apply(pull_secret("app", principal, namespace=first))
    cluster.wait_ready(NAMESPACED, "app", first)
    assert not two.is_watching()

    one.kill()
    cluster.apply(pull_secret("app", principal, namespace=second))
    cluster.wait_ready(NAMESPACED, "app", second)
    assert leads(two)
    one.clean()
    one.start()
    cluster.wait(lambda: waits(one), "it is one that waits now")

    assert two.stop() == 0
    cluster.wait(lambda: one.log.count(" became leader ") == 2, "it leads again")
    cluster.apply(pull_secret("app", principal, namespace=third))
    cluster.wait_ready(NAMESPACED, "app", third)
    assert one.stop() == 0
    assert lease(cluster, home)["holderIdentity"] == ""
    assert lease(cluster, home)["leaseTransitions"] >= 2


@pytest.mark.slow
def test_who_cannot_reach_the_api_server_ends_before_another_takes_over(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, proxy: APIProxy, replica: Start
) -> None:
    """In the middle of a run that would write: its processes are gone, and its private directory."""
    (own,) = cluster.namespaces("own")
    one = replica("one", K8S_AUTH_KUBECONFIG=str(proxy.kubeconfig))
    cluster.wait(lambda: leads(one), "the first one leads")
    aws.hang()
    cluster.apply(pull_secret("app", principal, namespace=own))
    cluster.wait(lambda: aws.calls, "AWS was asked")
    two = replica("two")
    cluster.wait(lambda: waits(two), "the second one waits")

    proxy.fault(How.HANG)
    assert one.process
    assert one.process.wait(60) == 1
    assert not leads(two)
    assert one.processes() == []
    assert not list(one.temporary.iterdir())
    assert "lost the leader lease" in one.log
    aws.heal()
    cluster.wait_ready(NAMESPACED, "app", own)


def test_who_finds_the_lease_in_other_hands_ends(cluster: Cluster, replica: Start, home: str) -> None:
    one = replica("one")
    cluster.wait(lambda: leads(one), "it leads")
    theirs = json.dumps({"spec": {"holderIdentity": "somebody else"}})
    cluster.kubectl("patch", "lease", "runner", "-n", home, "--type=merge", "-p", theirs)
    assert one.process
    assert one.process.wait(60) == 1
    assert lease(cluster, home)["holderIdentity"] == "somebody else"


@pytest.mark.slow
def test_who_may_not_have_the_lease_is_not_ready_and_says_why(
    cluster: Cluster, replica: Start, home: str, ansible: Ansible
) -> None:
    """A pass on trial says so, too. With the Lease, it lacks the right to list the resources."""
    user = f"lease-{home}"
    kubeconfig = str(cluster.plane.kubeconfig_for(user))
    one = replica("one", K8S_AUTH_KUBECONFIG=kubeconfig)
    cluster.wait(lambda: "cannot acquire or renew the Lease" in one.log, "the cause is told")
    status, text = one.ask("/readyz")
    assert (status, text.startswith(f"read the Lease {home}/runner: ")) == (503, True)
    assert f'"{user}" cannot get resource "leases"' in text
    options = ("--dry-run", "--leader-elect", "--lease", f"{home}/runner")
    done = run_once(ansible, *options, K8S_AUTH_KUBECONFIG=kubeconfig)
    assert (done.returncode, "cannot read the Lease" in done.stderr) == (1, True)

    rights = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}
    grant(cluster, user, [rights], home)
    cluster.wait(lambda: leads(one), "it leads")
    cluster.wait(lambda: f'"{user}" cannot list' in one.ask("/readyz")[1], "what else it lacks is told")
    two = replica("two", K8S_AUTH_KUBECONFIG=kubeconfig)
    cluster.wait(lambda: waits(two), "the second one waits")
    cluster.wait(lambda: two.ask("/readyz") == (200, "ok\n"), "and that is as it should be")


def test_lease_goes_with_the_pod_of_its_holder_and_a_new_process_in_the_pod_takes_it_at_once(
    cluster: Cluster, replica: Start, home: str
) -> None:
    pod = make_pod(cluster, home)
    one = replica("one", KUBE_ECR_POD=f"{home}/pod/{pod['uid']}")
    cluster.wait(lambda: leads(one), "it leads")
    holder = lease(cluster, home)["holderIdentity"]
    assert holder.startswith(f"pod_{pod['uid']}_")
    one.kill()
    one.start()
    cluster.wait(lambda: one.log.count(" became leader ") == 2, "the new process leads")
    assert not waits(one)
    assert lease(cluster, home)["holderIdentity"] != holder

    cluster.kubectl("delete", "pod", "pod", "-n", home)
    assert one.process
    assert one.process.wait(60) == 1
    assert "somebody deleted or released it" in one.log
    assert cluster.kubectl("get", "lease", "-n", home, "-o", "name") == ""
