"""What spec.podInjection costs a pod that is created: `make bench-admission`.

One API server, and 500 pods that are created by 8 connections at once: without the policies, and with them beside more
and more resources, in turn. The pods are not stored (a server-side dry run), so that etcd has no part in it. Prints a
table in Markdown: medians, and the ratios to the pods without a policy of the same round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from tests.bench.api import API, APIError
from tests.bench.results import number
from tests.bench.usage import cpu_seconds
from tests.support.cluster.control_plane import ControlPlane
from tests.support.harness.helm import CHART, POLICIES, pod_policies, render

_CONNECTIONS = 8
_NAMESPACE = "team-a"
_REGION = "eu-west-1"
_IMAGE = f"111122223333.dkr.ecr.{_REGION}.amazonaws.com/team/app:1"
_GROUP = "/apis/admissionregistration.k8s.io/v1"
_RESOURCES = "/apis/aws.zakariaamine.com/v1alpha2/clusterawsecrimagepullsecrets"
_PODS = f"/api/v1/namespaces/{_NAMESPACE}/pods"
_PLURALS = {
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
}
_SETTLE_SECONDS = 3.0
_READY_SECONDS = 30.0

# What is compared: how many resources there are, of which how many add their Secret to the pods.
SETTINGS: dict[str, tuple[int, int] | None] = {
    "no policy": None,
    "policy, 1 resource, which adds its Secret": (1, 1),
    "policy, 100 resources without podInjection": (100, 0),
    "policy, 100 resources for other namespaces": (100, 1),
    "policy, 100 resources, of which 10 add their Secret": (100, 10),
}


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.admission", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each setting (default: 5)")
    parser.add_argument("--pods", type=int, default=500, help="pods in a turn (default: 500)")
    options = parser.parse_args()
    values: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with ControlPlane() as plane:
        api = API(plane.kubeconfig)
        plane.kubectl("create", "-f", str(CHART / "files" / "crds"))
        api.create("/api/v1/namespaces", {"metadata": {"name": _NAMESPACE}})
        plane.kubectl("wait", "--for=create", "serviceaccount/default", "-n", _NAMESPACE, "--timeout=30s")
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            connections = [api.another() for _ in range(_CONNECTIONS)]
            for number_of_round in range(options.rounds):
                for name, setting in SETTINGS.items():
                    with _set_up(api, name, setting):
                        turn = _turn(pool, connections, options.pods)
                    values[name].append(turn)
                    print(f"  {number_of_round + 1} {name:55} {turn[0]:.2f} ms a pod", flush=True)
    print("\n".join(_table(values)))


@contextmanager
def _set_up(api: API, name: str, setting: tuple[int, int] | None) -> Iterator[None]:
    """Have the policies and the resources of a setting, and nothing else."""
    made: list[str] = []

    def create(collection: str, manifest: dict) -> None:
        api.create(collection, manifest)
        made.append(f"{collection}/{manifest['metadata']['name']}")

    if setting:
        for policy in pod_policies(render(None, POLICIES)):
            create(f"{_GROUP}/{_PLURALS[policy['kind']]}", policy)
        count, adding = setting
        for position in range(count):
            create(_RESOURCES, _resource(position, adds=position < adding, asks="without" not in name))
        _wait(lambda: len(_secrets_of(api)) == adding)
    else:
        _wait(lambda: not _secrets_of(api))
    time.sleep(_SETTLE_SECONDS)
    try:
        yield
    finally:
        for path in reversed(made):
            api.delete(path)


def _resource(position: int, *, adds: bool, asks: bool) -> dict:
    return {
        "apiVersion": "aws.zakariaamine.com/v1alpha2",
        "kind": "ClusterAWSECRImagePullSecret",
        "metadata": {"name": f"resource-{position}"},
        "spec": {
            "awsAccess": {"region": _REGION},
            "secretName": f"ecr-login-{position}",
            "namespaces": [_NAMESPACE if adds else "other-*", "ci", "web-*"],
            **({"podInjection": "Ecr"} if asks else {}),
        },
    }


def _pod(name: str) -> dict:
    container = {"name": "app", "image": _IMAGE}
    return {"metadata": {"name": name}, "spec": {"containers": [container, {**container, "name": "sidecar"}]}}


def _secrets_of(api: API) -> list[str]:
    made = json.loads(api.ask("POST", f"{_PODS}?dryRun=All", _pod("try")))
    return [each["name"] for each in made["spec"].get("imagePullSecrets", [])]


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        with suppress(APIError):
            if condition():
                return
        if time.monotonic() > deadline:
            raise SystemExit("error: the API server does not count policies and resources in")
        time.sleep(0.2)


def _turn(pool: ThreadPoolExecutor, connections: list[API], pods: int) -> tuple[float, float]:
    """Return wall milliseconds for each pod and connection, and CPU milliseconds of the control plane for each pod."""
    each = pods // len(connections)

    def create(connection: API) -> None:
        for position in range(each):
            connection.ask("POST", f"{_PODS}?dryRun=All", _pod(f"pod-{position}"))

    before, started = cpu_seconds(), time.monotonic()
    list(pool.map(create, connections))
    wall, busy = time.monotonic() - started, cpu_seconds() - before
    return 1000 * wall / each, 1000 * busy / (each * len(connections))


def _table(values: dict[str, list[tuple[float, float]]]) -> Iterator[str]:
    yield "| | time of a pod, ms | ratio | CPU of the control plane for a pod, ms | ratio |"
    yield "| --- | --- | --- | --- | --- |"
    base = values["no policy"]
    for name, turns in values.items():
        cells = []
        for part in (0, 1):
            ratios = [turn[part] / other[part] for turn, other in zip(turns, base, strict=True)]
            cells += [number(statistics.median(turn[part] for turn in turns)), number(statistics.median(ratios))]
        yield f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
