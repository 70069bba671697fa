"""`make demo`: from a custom resource to an image that is pulled with nothing but the Secret it became.

Control plane, AWS endpoint and registry are those of the tests; everything else is what a user has: the CRDs, the
runner, kubectl, manifests of docs/examples. $WAY says how AWS is reached: inline (keys in the resources, as the Go
operator has them), keys-secret or service-account. With $KUBECONFIG that cluster is used instead of a control plane of
its own; what the demo made there it removes. With KEEP=1 all goes on running until Ctrl-C.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.control_plane import ControlPlane, KubectlError, kubectl_path, run_kubectl
from tests.support.cluster.pki import public_pem
from tests.support.harness.ansible import Ansible
from tests.support.harness.processes import StartError, wait_for_signal
from tests.support.harness.runner import Runner
from tests.support.harness.tools import ToolError
from tests.support.registry.server import PullError, Registry

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs" / "examples"
KINDS = "awsecrimagepullsecrets,clusterawsecrimagepullsecrets"
CRDS = [f"{plural}.aws.zakariaamine.com" for plural in (*KINDS.split(","), "awsecrcredentials")]
NAMESPACES = ("default", "ns1", "ns2", "ns3")
# Whose Secret the image is pulled with.
SHOWN = "ns2"
IMAGE = "team/app:1.0"
_WAIT_SECONDS = 60


@dataclass(frozen=True)
class Way:
    """A way into AWS: what it needs there, and the examples that go it, in the namespace that is given."""

    title: str
    examples: tuple[str, ...]
    namespace: str


WAYS = {
    "inline": Way("with the keys of that IAM user", ("namespaced.yaml", "cluster.yaml"), "default"),
    "keys-secret": Way("with the keys of that IAM user in a Secret", ("keys-in-secret.yaml",), SHOWN),
    "service-account": Way("with a service account that may assume a role", ("service-account.yaml",), SHOWN),
}


class DemoError(RuntimeError):
    """The demo cannot go on; the text says why, and what to do."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one cluster, shown to the user as it runs."""

    kubeconfig: Path

    def run(self, *args: str, stdin: str = "") -> str:
        """Run it quietly; return its stdout. Raises DemoError."""
        try:
            return run_kubectl(self.kubeconfig, *args, stdin=stdin)
        except KubectlError as error:
            raise DemoError(str(error)) from None

    def show(self, *args: str) -> None:
        """Print the command and what it says."""
        print(f"$ kubectl {shlex.join(args)}")
        print(self.run(*args).rstrip(), flush=True)


def main() -> None:
    """Show the whole path; exit with 1 and a reason if a step fails."""
    started = time.monotonic()
    try:
        with ExitStack() as stack:
            _demo(stack)
            _say(f"That took {time.monotonic() - started:.0f} s. What to try next:")
            print(_NEXT)
            if os.environ.get("KEEP"):
                print("\nKEEP=1: all goes on running until you press Ctrl-C.", flush=True)
                wait_for_signal()
    except (DemoError, ToolError, StartError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; what was started is stopped, what was made is removed")


_NEXT = """  make demo KEEP=1                        the same, and it goes on running for you to play with
  make demo WAY=keys-secret               AWS keys in a Secret, and what happens when they are rotated
  make demo WAY=service-account           no key at all: a service account assumes an IAM role
  kubectl explain aeps.spec               what a custom resource may say (with KEEP=1)
  ansible-doc kube_ecr.secrets.ecr_token  the modules, for playbooks without custom resources
  README.md                               how to install it where you need it"""


def _demo(stack: ExitStack) -> None:
    way = _way()
    home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kube-ecr-demo-", dir="/tmp")))
    kubectl = _cluster(stack)
    _say("An AWS endpoint that checks signatures, and a registry that demands a login")
    aws = stack.enter_context(AWSEndpoint())
    registry = stack.enter_context(Registry(aws.url))
    principal = aws.principal()
    host = principal.registry()
    registry.push(host, IMAGE)
    print(f"{aws.url} knows one IAM user; {host} holds {IMAGE}", flush=True)
    if "service-account.yaml" in way.examples:
        _trust(kubectl, aws)

    _say("The custom resource definitions, and the runner")
    stack.enter_context(_prepared(kubectl))
    ansible = Ansible(home, {"K8S_AUTH_KUBECONFIG": str(kubectl.kubeconfig), "KUBE_ECR_AWS_ENDPOINT_URL": aws.url})
    print("$ kube-ecr-runner --watches runner/watches.yaml &", flush=True)
    runner = stack.enter_context(Runner(ansible, home / "runner.log"))

    _say(f"The example{'s' * (len(way.examples) > 1)}, {way.title}")
    for example in way.examples:
        _apply(stack, kubectl, example, principal, way.namespace)
    _wait_ready(kubectl, runner)
    kubectl.show("get", "aeps,caeps", "--all-namespaces")
    kubectl.show("get", "secrets", "--all-namespaces", "--field-selector=metadata.name=ecr-login")
    kubectl.show("get", "events", "--all-namespaces", "--field-selector=reason=SecretCreationSuccess")
    if "service-account.yaml" in way.examples:
        sessions = ", ".join(call.session_name for call in aws.calls if call.session_name)
        print(f"CloudTrail would show who asked, by the name of the session: {sessions}")

    _say(f"A real client pulls with nothing but the Secret of namespace {SHOWN}")
    config = _docker_config(kubectl, SHOWN)
    path = r"{.data.\.dockerconfigjson}"
    print(f"$ kubectl get secret ecr-login -n {SHOWN} -o jsonpath='{path}' | base64 -d >config.json")
    print(f"$ crane pull {host}/{IMAGE}")
    print(f"pulled {registry.pull(host, IMAGE, config)}", flush=True)

    if way is WAYS["keys-secret"]:
        _rotate(kubectl, aws, registry, host)
    _say("The same pull twelve hours later, had nobody renewed the token")
    aws.expire_tokens()
    print(f"$ crane pull {host}/{IMAGE}")
    try:
        registry.pull(host, IMAGE, config)
    except PullError as error:
        print(str(error).splitlines()[-1], flush=True)
    else:
        raise DemoError("the registry took a token that has expired")
    print("The runner would have: it replaces a token when half of its life is over.")
    if os.environ.get("KEEP"):
        print(_hints(kubectl, aws, runner, way))


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
        _say(f"The cluster of KUBECONFIG={given}")
        kubectl = Kubectl(Path(given))
        kubectl.show("version")
        return kubectl
    _say("A Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager)")
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


def _way() -> Way:
    name = os.environ.get("WAY") or "inline"
    if name not in WAYS:
        raise DemoError(f"WAY={name} is none of {', '.join(WAYS)}")
    return WAYS[name]


def _trust(kubectl: Kubectl, aws: AWSEndpoint) -> None:
    """Make what docs/aws-identities.md has one make in AWS: an OIDC provider, and a role that trusts the account."""
    issuer = json.loads(kubectl.run("get", "--raw", "/.well-known/openid-configuration"))["issuer"]
    for key in json.loads(kubectl.run("get", "--raw", "/openid/v1/jwks"))["keys"]:
        aws.trust_issuer(issuer, public_pem(key))
    subject = f"system:serviceaccount:{SHOWN}:ecr-pull"
    role = aws.role("ecr-pull", web_identities=[subject])
    print(f"It trusts the issuer {issuer} of the cluster, and lets {subject} assume the role {role.name}", flush=True)


def _apply(stack: ExitStack, kubectl: Kubectl, example: str, principal: Principal, namespace: str) -> None:
    text = _with_keys(EXAMPLES / example, principal)
    there = kubectl.run("get", "-n", namespace, "--ignore-not-found", "-o", "name", "-f", "-", stdin=text).split()
    if there:
        raise DemoError(f"there is {there[0]} in namespace {namespace} already; use another cluster")
    stack.callback(kubectl.run, "delete", "-n", namespace, "--ignore-not-found", "-f", "-", stdin=text)
    print(f"$ kubectl apply -n {namespace} -f {example}")
    print(kubectl.run("apply", "-n", namespace, "-f", "-", stdin=text).rstrip(), flush=True)


def _rotate(kubectl: Kubectl, aws: AWSEndpoint, registry: Registry, host: str) -> None:
    _say("New keys in the Secret: the pull secret follows at once, though its token has hours left")
    before, principal = _docker_config(kubectl, SHOWN), aws.principal()
    keys = {"AWS_ACCESS_KEY_ID": principal.access_key, "AWS_SECRET_ACCESS_KEY": principal.secret_key}
    print(f"$ kubectl patch secret aws-keys -n {SHOWN} -p '{{\"stringData\": ...}}'")
    kubectl.run(
        "patch", "secret", "aws-keys", "-n", SHOWN, "--patch-file=/dev/stdin", stdin=json.dumps({"stringData": keys})
    )
    started = time.monotonic()
    while (config := _docker_config(kubectl, SHOWN)) == before:
        if time.monotonic() - started > _WAIT_SECONDS:
            raise DemoError("the pull secret still holds the token of the old keys")
        time.sleep(0.1)
    kubectl.show("get", "events", "-n", SHOWN, "--field-selector=reason=SecretUpdateSuccess")
    print(f"$ crane pull {host}/{IMAGE}")
    print(f"pulled {registry.pull(host, IMAGE, config)}", flush=True)


def _with_keys(example: Path, principal: Principal) -> str:
    text = example.read_text().replace("YOUR_ACCESS_KEY_ID", principal.access_key)
    return text.replace("YOUR_SECRET_ACCESS_KEY", principal.secret_key)


def _wait_ready(kubectl: Kubectl, runner: Runner) -> None:
    wait = ("wait", "--for=condition=Ready", KINDS, "--all", "--all-namespaces", f"--timeout={_WAIT_SECONDS}s")
    try:
        kubectl.show(*wait)
    except DemoError as error:
        raise DemoError(f"{error}\nThe runner said:\n{runner.log}") from None


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


def _say(text: str) -> None:
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    main()
