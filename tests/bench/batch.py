"""How long a batch takes: N custom resources of one AWS identity, none served yet, AWS at 100 ms.

Two ways, side by side on the same control plane and endpoint: the reconcile playbook by hand, and the runner from
the moment it sees the resources to the last status. `make bench` runs it; docs/architecture.md has the figures.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.ansible import Ansible
from tests.support.awsendpoint import AWSEndpoint
from tests.support.cluster import NAMESPACED, Cluster, pull_secret
from tests.support.controlplane import ControlPlane
from tests.support.runner import Runner

ROOT = Path(__file__).parents[2]
LATENCY = 0.1


def main() -> None:
    """Print a table of seconds."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.batch", description=__doc__)
    parser.add_argument("--resources", type=int, default=100, help="how many custom resources (default: 100)")
    count = parser.parse_args().resources
    with tempfile.TemporaryDirectory() as scratch, ControlPlane() as plane, AWSEndpoint() as aws:
        plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        cluster = Cluster(plane)
        aws.latency = LATENCY
        names = cluster.namespaces(*(f"team-{number}" for number in range(count)))
        env = {"K8S_AUTH_KUBECONFIG": cluster.kubeconfig, "KUBE_ECR_AWS_ENDPOINT_URL": aws.url}
        ansible = Ansible(Path(scratch), env)
        print(f"{count} resources of one identity, AWS at {LATENCY * 1000:.0f} ms; {_machine()}")

        _make(cluster, aws, names)
        seconds, run = _timed(lambda: ansible.reconcile())
        _check(run.status == 0, run.output)
        print(f"  ansible-playbook kube_ecr.secrets.reconcile      {seconds:6.2f} s")
        print(f"  the same again, nothing to do                    {_timed(ansible.reconcile)[0]:6.2f} s")

        _clear(cluster, names)
        _make(cluster, aws, names)
        aws.forget_calls()
        with Runner(ansible, Path(scratch) / "runner.log") as runner:
            cluster.wait(runner.is_watching, "the runner watches")
            started = time.monotonic()
            cluster.wait(lambda: _ready(cluster) == count, "all are ready", timeout=300)
            print(f"  the runner, from its first list to the last Ready {time.monotonic() - started:5.2f} s")
            cluster.wait(runner.runs, "the run has ended")
            print(f"  of which the run (run ended ... seconds=)        {runner.seconds_of_last_run():6.2f} s")
        print(f"  calls to AWS: {aws.count('GetAuthorizationToken')}")


def _machine() -> str:
    python = ".".join(map(str, sys.version_info[:3]))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {python}"


def _make(cluster: Cluster, aws: AWSEndpoint, names: list[str]) -> None:
    principal = aws.principal()
    cluster.apply(*(pull_secret("app", principal, namespace=name) for name in names))


def _clear(cluster: Cluster, names: list[str]) -> None:
    for name in names:
        cluster.delete(NAMESPACED, "app", name)
        cluster.core.delete_namespaced_secret("ecr-login", name)


def _ready(cluster: Cluster) -> int:
    jsonpath = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
    return cluster.kubectl("get", NAMESPACED, "-A", "-o", f"jsonpath={jsonpath}").split().count("True")


def _timed[T](work: Callable[[], T]) -> tuple[float, T]:
    started = time.monotonic()
    result = work()
    return time.monotonic() - started, result


def _check(holds: bool, text: str) -> None:
    if not holds:
        raise SystemExit(text)


if __name__ == "__main__":
    main()
