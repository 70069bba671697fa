"""How long a batch takes, AWS at 100 ms: many custom resources of one AWS identity, and one for many namespaces.

Two ways, side by side on the same control plane and endpoint: the reconcile playbook by hand, and the runner from
the moment it sees the resources to the last status; then how long a single change takes, with a stand-by run and
without one. `make bench` runs it; docs/architecture.md has the figures.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.control_plane import ControlPlane
from tests.support.cluster.objects import CLUSTER, NAMESPACED, Cluster, condition, pull_secret
from tests.support.harness.ansible import Ansible
from tests.support.harness.runner import Runner

ROOT = Path(__file__).parents[2]
LATENCY = 0.1
# From the end of a run until the next one waits, and then some.
REST_SECONDS = 4.0


def main() -> None:
    """Print two tables of seconds."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.batch", description=__doc__)
    parser.add_argument("--resources", type=int, default=100, help="how many custom resources (default: 100)")
    parser.add_argument("--namespaces", type=int, default=500, help="namespaces of one resource (default: 500)")
    parser.add_argument("--changes", type=int, default=15, help="of each kind of single change (default: 15)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ControlPlane() as plane, AWSEndpoint() as aws:
        plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        cluster = Cluster(plane)
        aws.latency = LATENCY
        env = {"K8S_AUTH_KUBECONFIG": cluster.kubeconfig, "KUBE_ECR_AWS_ENDPOINT_URL": aws.url}
        bench = _Bench(cluster, aws, Ansible(Path(scratch), env), Path(scratch))
        print(_machine())
        names = cluster.namespaces(*(f"team-{number}" for number in range(options.resources)))
        bench.many_resources(names)
        names = cluster.namespaces(*(f"wide-{number}" for number in range(options.namespaces)))
        bench.many_namespaces(names)
        for stand_by in ("--stand-by", "--no-stand-by"):
            bench.single_changes(stand_by, options.changes)


class _Bench:
    def __init__(self, cluster: Cluster, aws: AWSEndpoint, ansible: Ansible, scratch: Path) -> None:
        self._cluster, self._aws, self._ansible, self._scratch = cluster, aws, ansible, scratch
        self._principal = aws.principal()

    def many_resources(self, names: list[str]) -> None:
        """One custom resource in each namespace."""
        print(f"{len(names)} resources of one identity, AWS at {LATENCY * 1000:.0f} ms")
        resources = [pull_secret("app", self._principal, namespace=name) for name in names]

        def clear() -> None:
            for name in names:
                self._cluster.delete(NAMESPACED, "app", name)

        self._measure(resources, names, clear)

    def many_namespaces(self, names: list[str]) -> None:
        """One custom resource for all of them."""
        print(f"1 resource for {len(names)} namespaces, AWS at {LATENCY * 1000:.0f} ms")
        resource = pull_secret("wide", self._principal, namespaces=["wide-*"])
        self._measure([resource], names, lambda: self._cluster.delete(CLUSTER, "wide"))

    def single_changes(self, stand_by: str, changes: int) -> None:
        """Seconds from a change to the Secret in place, each change while nothing else happens."""
        print(f"single changes with {stand_by}, AWS at {LATENCY * 1000:.0f} ms: median and slowest of {changes}")
        shared = pull_secret("single", self._principal, namespaces=["single-*"])
        self._cluster.apply(shared)
        with Runner(self._ansible, self._scratch / f"{stand_by}.log", "--log-level=debug", stand_by) as runner:
            self._cluster.wait(runner.is_watching, "the runner watches")
            created, appeared, deleted = [], [], []
            for number in range(changes):
                (own,) = self._cluster.namespaces(f"created{stand_by}-{number}")
                # The keys are its own: there is no token yet, and AWS is asked.
                resource = pull_secret("app", self._aws.principal(), namespace=own)
                created.append(self._time(partial(self._cluster.create, resource), own))
                (name,) = self._cluster.names(f"single-{stand_by}-{number}")
                appeared.append(self._time(partial(self._cluster.make_namespace, name), name))
                delete = partial(self._cluster.core.delete_namespaced_secret, "ecr-login", name)
                deleted.append(self._time(delete, name))
        for what, seconds in (("resource created", created), ("namespace appears", appeared), ("deleted", deleted)):
            print(f"  {what:48} {statistics.median(seconds):6.2f} s {max(seconds):6.2f} s")
        self._cluster.delete(CLUSTER, "single")

    def _time(self, change: Callable[[], object], namespace: str) -> float:
        """Return after the runner has come to rest again. Watched, not polled: there are but so many cores."""
        since = self._cluster.core.list_namespaced_secret(namespace).metadata.resource_version
        started = time.monotonic()
        change()
        self._cluster.new_secret(namespace, since)
        seconds = time.monotonic() - started
        time.sleep(REST_SECONDS)
        return seconds

    def _measure(self, resources: list[dict], names: list[str], clear: Callable[[], None]) -> None:
        self._cluster.apply(*resources)
        seconds, run = _timed(self._ansible.reconcile)
        _check(run.status == 0, run.output)
        print(f"  ansible-playbook kube_ecr.secrets.reconcile      {seconds:6.2f} s")
        print(f"  the same again, nothing to do                    {_timed(self._ansible.reconcile)[0]:6.2f} s")
        clear()
        for name in names:
            self._cluster.wait(lambda name=name: self._cluster.secret(name) is None, "it is gone with its resource")

        self._cluster.apply(*resources)
        self._aws.forget_calls()
        kind = resources[0]["kind"]
        with Runner(self._ansible, self._scratch / f"{kind}.log") as runner:
            self._cluster.wait(runner.is_watching, "the runner watches")
            seconds = _timed(lambda: self._all_ready(kind, len(resources)))[0]
            print(f"  the runner, from its first list to the last Ready {seconds:5.2f} s")
            self._cluster.wait(runner.runs, "the run has ended")
            print(f"  of which the run (run ended ... seconds=)        {runner.seconds_of_last_run():6.2f} s")
            print(f"  calls to AWS: {self._aws.count('GetAuthorizationToken')}")
            clear()
            time.sleep(REST_SECONDS)
            started = time.monotonic()
            for resource in resources:
                self._cluster.create(resource)
            self._all_ready(kind, len(resources))
            print(f"  made while it waits, to the last Ready           {time.monotonic() - started:6.2f} s")
        clear()

    def _all_ready(self, kind: str, count: int) -> None:
        """Return when so many are ready."""
        ready = set()
        for each in self._cluster.changes(kind):
            if condition(each, "Ready").get("status") == "True":
                ready.add(each["metadata"]["uid"])
            if len(ready) == count:
                return
        raise SystemExit(f"{len(ready)} of {count} are ready")


def _machine() -> str:
    python = ".".join(map(str, sys.version_info[:3]))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {python}"


def _timed[T](work: Callable[[], T]) -> tuple[float, T]:
    started = time.monotonic()
    result = work()
    return time.monotonic() - started, result


def _check(holds: bool, text: str) -> None:
    if not holds:
        raise SystemExit(text)


if __name__ == "__main__":
    main()
