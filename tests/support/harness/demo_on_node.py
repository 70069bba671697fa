"""The demo with a node: the runner is a pod, and so is what pulls. It runs inside of a sandbox only, see demo."""

from __future__ import annotations

import json
import shlex
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.support.harness.demo_steps import (
    IMAGE,
    KINDS,
    SHOWN,
    WAIT_SECONDS,
    DemoError,
    Kubectl,
    Way,
    apply,
    chosen_way,
    say,
    show,
    trust,
    wait_ready,
)
from tests.support.harness.helm import CHART, HelmError, run_helm
from tests.support.node.cluster import NodeCluster, chart_values, open_shell

_RELEASE = "kube-ecr-runner"
_NAMESPACE = "kube-ecr"
_PULL_SECRETS = "custom-columns=NAME:.metadata.name,PHASE:.status.phase,PULL SECRETS:.spec.imagePullSecrets[*].name"
_PULL_FAILED = ("get", "events", "-n", SHOWN, "--field-selector=reason=Failed")


def main() -> None:
    """Show the whole path; exit with 1 and a reason if a step fails."""
    show(chosen_way(), _demo)


def _demo(stack: ExitStack, way: Way) -> Callable[[], None]:
    say("A Kubernetes cluster of one node (kubelet, containerd, runc), an AWS endpoint, a registry")
    cluster = stack.enter_context(NodeCluster())
    kubectl = Kubectl(cluster.plane.kubeconfig)
    kubectl.show("get", "nodes")
    principal = cluster.aws.principal()
    host = principal.registry()
    cluster.push(host, IMAGE)
    print(f"{cluster.aws.url} knows one IAM user; {host} holds {IMAGE}", flush=True)
    if "service-account.yaml" in way.examples:
        trust(kubectl, cluster.aws)

    say("The chart with its default values")
    _install(kubectl, cluster)

    say("A Deployment whose pull secret does not exist yet")
    for namespace in ("ns1", "ns2", "ns3"):
        kubectl.run("create", "namespace", namespace)
    _deploy(kubectl, "app", f"{host}/{IMAGE}", "IfNotPresent", "ecr-login")
    # The first of the two at once, the other one some seconds later.
    stuck = ("ErrImagePull", "ImagePullBackOff")
    _wait(lambda: _waits_for(kubectl, "app") in stuck, "the pod is in ImagePullBackOff")
    kubectl.show("get", "pods", "-n", SHOWN)
    kubectl.show(*_PULL_FAILED)

    say(f"The example{'s' * (len(way.examples) > 1)}, {way.title}")
    for example in way.examples:
        apply(stack, kubectl, example, principal, way.namespace)
    wait_ready(kubectl, lambda: kubectl.run("logs", f"deployment/{_RELEASE}", "-n", _NAMESPACE))
    kubectl.show("get", "aeps,caeps", "--all-namespaces")
    print("kubelet tries again after a while: 10 to 20 seconds now, up to 5 minutes later.", flush=True)
    kubectl.show("rollout", "status", "deployment/app", "-n", SHOWN, f"--timeout={WAIT_SECONDS}s")
    kubectl.show("get", "pods", "-n", SHOWN)

    say("Twelve hours later, had nobody renewed the token: another pod is refused")
    cluster.aws.expire_tokens()
    cluster.push(host, "team/other:1.0")
    _deploy(kubectl, "other", f"{host}/team/other:1.0", "Always", "ecr-login")
    _wait(lambda: "403" in kubectl.run(*_PULL_FAILED, "-o", "jsonpath={.items[*].message}"), "the pull is refused")
    print(_last_refusal(kubectl), flush=True)
    say("The runner renews a token when half of its life is over; an annotation asks for it at once")
    kubectl.show("annotate", KINDS, "--all", "--all-namespaces", "aws.zakariaamine.com/reconcile-at=now")
    _wait(lambda: _is_renewed(kubectl), "the runner has renewed the tokens")
    print("Who cannot wait for kubelet's next attempt deletes the pod.", flush=True)
    kubectl.show("delete", "pod", "-n", SHOWN, "-l", "app=other", "--wait=false")
    kubectl.show("rollout", "status", "deployment/other", "-n", SHOWN, f"--timeout={WAIT_SECONDS}s")
    kubectl.show("get", "pods", "-n", SHOWN)

    say("A Deployment that names no pull secret: with spec.podInjection the API server adds it to the pods")
    for kind in KINDS.split(","):
        for name in kubectl.run("get", kind, "-n", way.namespace, "-o", "name").split():
            patch = ("--type=merge", '--patch={"spec": {"podInjection": "Ecr"}}')
            kubectl.show("patch", name, "-n", way.namespace, *patch)
    cluster.push(host, "team/plain:1.0")
    _wait(lambda: _is_injected(kubectl, f"{host}/team/plain:1.0"), "the API server counts the resource in")
    _deploy(kubectl, "plain", f"{host}/team/plain:1.0", "IfNotPresent")
    kubectl.show("rollout", "status", "deployment/plain", "-n", SHOWN, f"--timeout={WAIT_SECONDS}s")
    kubectl.show("get", "pods", "-n", SHOWN, "-o", _PULL_SECRETS)

    def keep() -> None:
        print("\nKEEP=1: a shell in the cluster, with kubectl, helm and crane; exit ends all of it.", flush=True)
        open_shell(cluster)

    return keep


def _install(kubectl: Kubectl, cluster: NodeCluster) -> None:
    with tempfile.TemporaryDirectory() as folder:
        values = Path(folder, "node.yaml")
        values.write_text(json.dumps(chart_values(cluster)))
        options = ["--namespace", _NAMESPACE, "--create-namespace", "--wait"]
        shown = ["helm", "install", _RELEASE, "chart", *options, "--values", values.name]
        print(f"$ {shlex.join(shown)}   # the image of this checkout, and where AWS is", flush=True)
        try:
            run_helm("install", _RELEASE, str(CHART), *options, f"--values={values}", kubeconfig=kubectl.kubeconfig)
        except HelmError as error:
            raise DemoError(f"{error}\n{kubectl.run('get', 'events', '-n', _NAMESPACE)}") from None
    kubectl.show("get", "pods", "-n", _NAMESPACE)


def _deploy(kubectl: Kubectl, name: str, image: str, policy: str, *secrets: str) -> None:
    labels = {"app": name}
    container = {"name": name, "image": image, "imagePullPolicy": policy}
    pod: dict[str, object] = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    if secrets:
        pod["imagePullSecrets"] = [{"name": secret} for secret in secrets]
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": SHOWN},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }
    named = f"imagePullSecrets: [{{name: {secrets[0]}}}]" if secrets else "no imagePullSecrets"
    print(f"$ kubectl apply -f {name}.yaml   # image: {image}, {named}")
    print(kubectl.run("apply", "-f", "-", stdin=json.dumps(deployment)).rstrip(), flush=True)


def _waits_for(kubectl: Kubectl, name: str) -> str:
    """Return why the container of a Deployment does not run."""
    path = "{.items[*].status.containerStatuses[0].state.waiting.reason}"
    return kubectl.run("get", "pods", "-n", SHOWN, "-l", f"app={name}", "-o", f"jsonpath={path}")


def _is_injected(kubectl: Kubectl, image: str) -> bool:
    """Return whether a pod of that image would get the pull secret."""
    path = "jsonpath={.spec.imagePullSecrets[*].name}"
    return "ecr-login" in kubectl.run("run", "try", f"--image={image}", "-n", SHOWN, "--dry-run=server", "-o", path)


def _is_renewed(kubectl: Kubectl) -> bool:
    """Return whether all resources answered the annotation."""
    path = "{range .items[*]}{.status.lastHandledReconcileAt},{end}"
    found = kubectl.run("get", KINDS, "--all-namespaces", "-o", f"jsonpath={path}")
    return set(found.strip(",").split(",")) == {"now"}


def _last_refusal(kubectl: Kubectl) -> str:
    """Return what kubelet said of the last pull, where the registry's answer is at the end of a long line."""
    messages = kubectl.run(
        *_PULL_FAILED, "--sort-by=.lastTimestamp", "-o", "jsonpath={range .items[*]}{.message}{'\\n'}{end}"
    )
    found = [line for line in messages.splitlines() if "403" in line]
    return f"$ kubectl get events -n {SHOWN} --field-selector=reason=Failed\n... {found[-1][-160:]}"


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise DemoError(f"still not so after {WAIT_SECONDS} s: {what}")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
