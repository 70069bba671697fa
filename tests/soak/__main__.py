"""Does any target lack a valid token for a second, whatever happens? Tokens that live for minutes, and all faults.

`make soak MINUTES=20`: a hundred custom resources, two replicas of the runner behind a proxy that fails, an AWS
endpoint that fails, kills, and hands that delete and edit; once a second all Secrets are looked at. `make soak
PASSES=300`: one replica and no faults; whether passes over all resources leave something behind, and what memory they
take.

The exit status is 1 if a target lacked a token for a second, or something was left. What happened when is printed as it
happens; the same seed gives the same troubles, but not at the same moments of the runner's work.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tests.soak.replica import Replica
from tests.soak.trouble import Lane, Scene, lanes
from tests.soak.watch import MAX_GAP_SECONDS, Watchman
from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.api_proxy import APIProxy
from tests.support.cluster.control_plane import ControlPlane
from tests.support.cluster.objects import Cluster
from tests.support.harness.fleet import Fleet, playbooks, waits
from tests.support.harness.footprint import Footprint
from tests.support.oracle.valid_secrets import valid_secrets

ROOT = Path(__file__).parents[2]
FIRST_SECONDS = 300.0
# From the end of all trouble until everything is served.
REST_SECONDS = 120.0
# Until then the runner warms up: what it imports and keeps for good comes with the first passes.
WARM_PASSES = 10
MAX_GROWTH = 1.1


def main() -> int:
    """Print what happens and a table; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20, help="how long there is trouble (default: 20)")
    parser.add_argument("--passes", type=int, default=0, help="no trouble, but so many passes over all resources")
    parser.add_argument("--resources", type=int, default=100, help="how many custom resources (default: 100)")
    parser.add_argument("--token-life", type=int, default=240, help="of tokens, in seconds (default: 240)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the troubles (default: any)")
    parser.add_argument("--logs", type=Path, help="a folder to keep the logs of the replicas in")
    options = parser.parse_args()
    with _stage(options) as scene:
        return _passes(scene, options.passes) if options.passes else _soak(scene, options)


@contextmanager
def _stage(options: argparse.Namespace) -> Iterator[Scene]:
    """Give what a soak needs, with nothing started but the control plane, AWS and the proxy."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ControlPlane() as plane,
        AWSEndpoint() as aws,
        APIProxy(plane.kubeconfig) as proxy,
    ):
        plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        plane.kubectl("create", "namespace", "runner")
        if options.logs:
            options.logs.mkdir(exist_ok=True)
        cluster = Cluster(plane)
        if not options.passes:
            aws.token_life = timedelta(seconds=options.token_life)
        aws.latency = 0.1
        fleet = Fleet(cluster, aws, options.resources)
        env = {"K8S_AUTH_KUBECONFIG": str(proxy.kubeconfig), "KUBE_ECR_AWS_ENDPOINT_URL": aws.url}
        election = ("--leader-elect", "--lease", "runner/soak")
        replicas = [
            Replica(name, Path(folder), options.logs or Path(folder), env, *election)
            for name in ("a", "b")[: 1 if options.passes else 2]
        ]
        watchman = Watchman(fleet.namespaces, lambda: valid_secrets(cluster.core, aws), _tell)
        try:
            yield Scene(cluster, aws, proxy, fleet, replicas, watchman)
        finally:
            for each in replicas:
                each.stop()
            proxy.close()


def _soak(scene: Scene, options: argparse.Namespace) -> int:
    print(f"seed {options.seed}; {options.minutes:g} minutes, {options.resources} resources, ", end="")
    print(f"tokens of {options.token_life} s", flush=True)
    for each in scene.replicas:
        each.start()
    scene.watchman.start()
    _until(scene, lambda: not scene.watchman.missing(), "all are served", FIRST_SECONDS)
    begin = [each.footprint() for each in scene.replicas]
    found = lanes(scene, options.token_life, options.seed, _tell)
    for lane in found:
        lane.start()
    _run(scene.watchman, found, options.minutes * 60)
    for lane in found:
        lane.stop()
    _tell("the trouble is over")
    _until(scene, lambda: not scene.watchman.missing() and _is_calm(scene), "all are served again", REST_SECONDS)
    end = [each.footprint() for each in scene.replicas]
    scene.watchman.stop()
    statuses = [each.stop() for each in scene.replicas]
    left = [thing for each in scene.replicas for thing in each.left()]
    account = scene.watchman.account
    _print(scene, found, left)
    for replica, before, after in zip(scene.replicas, begin, end, strict=True):
        print(f"  replica {replica.name} at the start / at the end: {_told(before)} / {_told(after)}")
    is_blind = account.longest_gap > MAX_GAP_SECONDS
    if is_blind:
        print(f"the soak itself looked away for {account.longest_gap:.0f} s: the machine is too busy")
    return 1 if sum(account.uncovered.values()) or left or any(statuses) or is_blind else 0


def _run(watchman: Watchman, found: list[Lane], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for each in (watchman, *found):
            if each.failure:
                raise SystemExit(f"the soak itself failed: {each.failure!r}")
        threading.Event().wait(1.0)


def _is_calm(scene: Scene) -> bool:
    return any(each.leads() for each in scene.replicas) and all(each.pid for each in scene.replicas)


def _until(scene: Scene, condition, what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            _tell(f"still not so after {seconds:g} s: {what}")
            for each in scene.replicas:
                print(f"log of replica {each.name}:", *each.runner.log.splitlines()[-15:], sep="\n  ")
            raise SystemExit(1)
        time.sleep(0.5)


def _print(scene: Scene, found: list[Lane], left: list[str]) -> None:
    account = scene.watchman.account
    asked = Counter("GetAuthorizationToken refused" if each.code else "answered" for each in scene.aws.calls)
    told = {
        "looks": account.looks,
        "longest time between two looks": f"{account.longest_gap:.1f} s",
        "tokens renewed in a Secret": account.refreshes,
        "calls to AWS, answered / refused": f"{asked['answered']} / {asked.total() - asked['answered']}",
        "starts of replicas": sum(each.starts for each in scene.replicas),
        "longest time until what was taken away was served again": f"{account.longest_restore:.1f} s",
        "left on the disk or running": len(left),
        "SECONDS IN WHICH A TARGET HELD NO VALID TOKEN": round(sum(account.uncovered.values())),
    }
    for name, count in [(name, count) for lane in found for name, count in lane.counts.items()]:
        print(f"  {name:60} {count:>8}")
    for name, value in told.items():
        print(f"  {name:60} {value:>8}")
    for each in [*left, *(f"{name}: {seconds:.0f} s" for name, seconds in account.uncovered.most_common(10))]:
        print(f"    {each}")


def _passes(scene: Scene, passes: int) -> int:
    (replica,) = scene.replicas
    replica.start()
    _until(scene, scene.fleet.is_done, "all are served", FIRST_SECONDS)
    seen: list[Footprint] = []
    for number in range(1, passes + 1):
        scene.fleet.begin(number)
        _until(scene, scene.fleet.is_done, "the pass is over", FIRST_SECONDS)
        _until(scene, lambda: any(map(waits, playbooks(replica.runner))), "the runner rests", FIRST_SECONDS)
        found = replica.footprint()
        assert found, "the runner has ended"
        seen.append(found)
        if number in (1, WARM_PASSES) or number % 25 == 0 or number == passes:
            print(f"  after pass {number:4}: {_told(found)}", flush=True)
    first, last = seen[min(WARM_PASSES, passes) - 1], seen[-1]
    replica.stop()
    left = replica.left()
    print(f"  left on the disk or running: {len(left)}", *left, sep="\n    ")
    return 0 if first.counts == last.counts and last.memory < first.memory * MAX_GROWTH and not left else 1


def _told(found: Footprint | None) -> str:
    if found is None:
        return "not running"
    return f"{found.memory:.1f} MiB, {', '.join(f'{count} {name}' for name, count in found.counts.items())}"


def _tell(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
