"""`make demo`: from a custom resource to an image that is pulled with nothing but the Secret it became.

Control plane, AWS endpoint and registry are those of the tests; everything else is what a user has: the CRDs, the
runner, kubectl, manifests of docs/examples. $WAY says how AWS is reached: inline (keys in the resources, as the Go
operator has them), keys-secret or service-account.

Where containers can run there is a node, too: the runner is a pod of its chart and image, and pods pull the image (see
demo_on_node). Elsewhere, and with $KUBECONFIG, the runner is a process and crane pulls. A cluster that was given is
left as it was. With KEEP=1 all goes on running until Ctrl-C.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.control_plane import ControlPlane, kubectl_path
from tests.support.harness.ansible import Ansible
from tests.support.harness.demo_steps import (
    IMAGE,
    KINDS,
    ROOT,
    SHOWN,
    WAIT_SECONDS,
    WAYS,
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
from tests.support.harness.processes import wait_for_signal
from tests.support.harness.runner import Runner
from tests.support.harness.tools import ToolError
from tests.support.node import requirements, sandbox
from tests.support.node.images import ImageError
from tests.support.registry.server import PullError, Registry

CRDS = [f"{plural}.aws.zakariaamine.com" for plural in (*KINDS.split(","), "awsecrcredentials")]
NAMESPACES = ("default", "ns1", "ns2", "ns3")


def main() -> None:
    """Show the whole path; exit with 1 and a reason if a step fails."""
    try:
        way = chosen_way()
        if not os.environ.get("KUBECONFIG"):
            if os.environ.get("INSTALL") == "1":
                requirements.install_packages()
            why = requirements.obstacle()
            if not why:
                sys.exit(sandbox.run([sys.executable, "-m", "tests.support.harness.demo_on_node"]))
            print(f"Here no pods can run, since {why}.\nSo the runner is a process, and crane pulls the image.")
        show(way, _demo)
    except (DemoError, ToolError, ImageError) as error:
        sys.exit(f"error: {error}")


def _demo(stack: ExitStack, way: Way) -> Callable[[], None]:
    home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kube-ecr-demo-", dir="/tmp")))
    kubectl = _cluster(stack)
    say("An AWS endpoint that checks signatures, and a registry that demands a login")
    aws = stack.enter_context(AWSEndpoint())
    registry = stack.enter_context(Registry(aws.url))
    principal = aws.principal()
    host = principal.registry()
    registry.push(host, IMAGE)
    print(f"{aws.url} knows one IAM user; {host} holds {IMAGE}", flush=True)
    if "service-account.yaml" in way.examples:
        trust(kubectl, aws)

    say("The custom resource definitions, and the runner")
    stack.enter_context(_prepared(kubectl))
    ansible = Ansible(home, {"K8S_AUTH_KUBECONFIG": str(kubectl.kubeconfig), "KUBE_ECR_AWS_ENDPOINT_URL": aws.url})
    print("$ kube-ecr-runner --watches runner/watches.yaml &", flush=True)
    runner = stack.enter_context(Runner(ansible, home / "runner.log"))

    say(f"The example{'s' * (len(way.examples) > 1)}, {way.title}")
    for example in way.examples:
        apply(stack, kubectl, example, principal, way.namespace)
    wait_ready(kubectl, lambda: runner.log)
    kubectl.show("get", "aeps,caeps", "--all-namespaces")
    kubectl.show("get", "secrets", "--all-namespaces", "--field-selector=metadata.name=ecr-login")
    kubectl.show("get", "events", "--all-namespaces", "--field-selector=reason=SecretCreationSuccess")
    if "service-account.yaml" in way.examples:
        sessions = ", ".join(call.session_name for call in aws.calls if call.session_name)
        print(f"CloudTrail would show who asked, by the name of the session: {sessions}")

    say(f"A real client pulls with nothing but the Secret of namespace {SHOWN}")
    config = _docker_config(kubectl, SHOWN)
    path = r"{.data.\.dockerconfigjson}"
    print(f"$ kubectl get secret ecr-login -n {SHOWN} -o jsonpath='{path}' | base64 -d >config.json")
    print(f"$ crane pull {host}/{IMAGE}")
    print(f"pulled {registry.pull(host, IMAGE, config)}", flush=True)

    if way is WAYS["keys-secret"]:
        _rotate(kubectl, aws, registry, host)
    say("The same pull twelve hours later, had nobody renewed the token")
    aws.expire_tokens()
    print(f"$ crane pull {host}/{IMAGE}")
    try:
        registry.pull(host, IMAGE, config)
    except PullError as error:
        print(str(error).splitlines()[-1], flush=True)
    else:
        raise DemoError("the registry took a token that has expired")
    print("The runner would have: it replaces a token when half of its life is over.")

    def keep() -> None:
        print(f"{_hints(kubectl, aws, runner, way)}\nKEEP=1: all goes on running until you press Ctrl-C.", flush=True)
        wait_for_signal()

    return keep


@contextmanager
def _removed(kubectl: Kubectl, *things: str) -> Iterator[None]:
    """Remove things from a cluster that is not ours, whatever happens in between."""
    try:
        yield
    finally:
        kubectl.run("delete", "--ignore-not-found", *things)


def _cluster(stack: ExitStack) -> Kubectl:
    given = os.environ.get("KUBECONFIG")
    if given:
        say(f"The cluster of KUBECONFIG={given}")
        kubectl = Kubectl(Path(given))
        kubectl.show("version")
        return kubectl
    say("A Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager)")
    plane = stack.enter_context(ControlPlane())
    kubectl = Kubectl(plane.kubeconfig)
    kubectl.show("version")
    return kubectl


@contextmanager
def _prepared(kubectl: Kubectl) -> Iterator[None]:
    """Have the CRDs and namespaces ns1 to ns3; afterwards all is as it was before."""
    with ExitStack() as stack:
        present = kubectl.run("get", "crds", "-o", "name").split()
        ours = [crd for crd in CRDS if f"customresourcedefinition.apiextensions.k8s.io/{crd}" in present]
        if ours and kubectl.run("get", KINDS, "--all-namespaces", "-o", "name").strip():
            raise DemoError(f"this cluster holds {KINDS} already, which the demo's runner would serve; use another one")
        if not ours:
            stack.enter_context(_removed(kubectl, *(f"crd/{crd}" for crd in CRDS)))
            kubectl.show("apply", "--server-side", "-f", str((ROOT / "crds").relative_to(Path.cwd())))
            kubectl.run("wait", "--for=condition=Established", *(f"crd/{crd}" for crd in CRDS), "--timeout=30s")
        for namespace in NAMESPACES:
            there = kubectl.run("get", "namespace", namespace, "--ignore-not-found", "-o", "name").strip()
            if there and kubectl.run("get", "secret", "ecr-login", "-n", namespace, "--ignore-not-found").strip():
                raise DemoError(f"there is a Secret ecr-login in namespace {namespace} already; use another cluster")
            if not there:
                stack.enter_context(_removed(kubectl, f"namespace/{namespace}", "--wait=false"))
                kubectl.show("create", "namespace", namespace)
            else:
                stack.enter_context(_removed(kubectl, "secret/ecr-login", f"--namespace={namespace}"))
        for kind in KINDS.split(","):
            stack.callback(kubectl.run, "delete", kind, "--all", "--namespace=default")
        yield


def _rotate(kubectl: Kubectl, aws: AWSEndpoint, registry: Registry, host: str) -> None:
    say("New keys in the Secret: the pull secret follows at once, though its token has hours left")
    before, principal = _docker_config(kubectl, SHOWN), aws.principal()
    keys = {"AWS_ACCESS_KEY_ID": principal.access_key, "AWS_SECRET_ACCESS_KEY": principal.secret_key}
    print(f"$ kubectl patch secret aws-keys -n {SHOWN} -p '{{\"stringData\": ...}}'")
    kubectl.run(
        "patch", "secret", "aws-keys", "-n", SHOWN, "--patch-file=/dev/stdin", stdin=json.dumps({"stringData": keys})
    )
    started = time.monotonic()
    while (config := _docker_config(kubectl, SHOWN)) == before:
        if time.monotonic() - started > WAIT_SECONDS:
            raise DemoError("the pull secret still holds the token of the old keys")
        time.sleep(0.1)
    kubectl.show("get", "events", "-n", SHOWN, "--field-selector=reason=SecretUpdateSuccess")
    print(f"$ crane pull {host}/{IMAGE}")
    print(f"pulled {registry.pull(host, IMAGE, config)}", flush=True)


def _docker_config(kubectl: Kubectl, namespace: str) -> str:
    encoded = kubectl.run("get", "secret", "ecr-login", "-n", namespace, "-o", r"jsonpath={.data.\.dockerconfigjson}")
    return base64.b64decode(encoded).decode()


def _hints(kubectl: Kubectl, aws: AWSEndpoint, runner: Runner, way: Way) -> str:
    tries = f"kubectl describe aeps -n {way.namespace}"
    if "cluster.yaml" in way.examples:
        tries = """kubectl describe caeps test-ecr-credentials
  kubectl create namespace ns4; kubectl patch caeps test-ecr-credentials --type=json \\
    -p '[{"op": "add", "path": "/spec/namespaces/-", "value": "ns4"}]'"""
    return f"""
In another terminal:
  export KUBECONFIG={kubectl.kubeconfig} PATH={kubectl_path().parent}:$PATH
  {tries}
  tail -f {runner.log_path}
  curl {aws.url}/_control/fail -d '{{"code": "ThrottlingException"}}'   # and: /_control/heal
"""


if __name__ == "__main__":
    main()
