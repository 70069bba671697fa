"""What both forms of the demo share: the ways into AWS, kubectl as a user sees it, and the steps of the path."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.control_plane import KubectlError, run_kubectl
from tests.support.cluster.pki import public_pem
from tests.support.harness.processes import StartError
from tests.support.harness.tools import ToolError

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs" / "examples"
KINDS = "awsecrimagepullsecrets,clusterawsecrimagepullsecrets"
# Whose Secret the image is pulled with.
SHOWN = "ns2"
IMAGE = "team/app:1.0"
WAIT_SECONDS = 60


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


def show(way: Way, demo: Callable[[ExitStack, Way], Callable[[], None]]) -> None:
    """Show one path, and end the process with 1 and a reason if a step fails.

    demo returns what goes on until a person ends it, which is called with KEEP=1.
    """
    started = time.monotonic()
    try:
        with ExitStack() as stack:
            keep = demo(stack, way)
            say(f"That took {time.monotonic() - started:.0f} s. What to try next:")
            print(_NEXT)
            if os.environ.get("KEEP"):
                keep()
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


def chosen_way() -> Way:
    """Return the way that $WAY names. Raises DemoError."""
    name = os.environ.get("WAY") or "inline"
    if name not in WAYS:
        raise DemoError(f"WAY={name} is none of {', '.join(WAYS)}")
    return WAYS[name]


def trust(kubectl: Kubectl, aws: AWSEndpoint) -> None:
    """Make what docs/aws-identities.md has one make in AWS: an OIDC provider, and a role that trusts the account."""
    issuer = json.loads(kubectl.run("get", "--raw", "/.well-known/openid-configuration"))["issuer"]
    for key in json.loads(kubectl.run("get", "--raw", "/openid/v1/jwks"))["keys"]:
        aws.trust_issuer(issuer, public_pem(key))
    subject = f"system:serviceaccount:{SHOWN}:ecr-pull"
    role = aws.role("ecr-pull", web_identities=[subject])
    print(f"It trusts the issuer {issuer} of the cluster, and lets {subject} assume the role {role.name}", flush=True)


def apply(stack: ExitStack, kubectl: Kubectl, example: str, principal: Principal, namespace: str) -> None:
    """Apply an example with the keys of a principal in it; it is deleted at the end. Raises DemoError."""
    text = _with_keys(EXAMPLES / example, principal)
    there = kubectl.run("get", "-n", namespace, "--ignore-not-found", "-o", "name", "-f", "-", stdin=text).split()
    if there:
        raise DemoError(f"there is {there[0]} in namespace {namespace} already; use another cluster")
    stack.callback(kubectl.run, "delete", "-n", namespace, "--ignore-not-found", "-f", "-", stdin=text)
    print(f"$ kubectl apply -n {namespace} -f {example}")
    print(kubectl.run("apply", "-n", namespace, "-f", "-", stdin=text).rstrip(), flush=True)


def _with_keys(example: Path, principal: Principal) -> str:
    text = example.read_text().replace("YOUR_ACCESS_KEY_ID", principal.access_key)
    return text.replace("YOUR_SECRET_ACCESS_KEY", principal.secret_key)


def wait_ready(kubectl: Kubectl, log: Callable[[], str]) -> None:
    """Wait until all resources are Ready; log is called for what the runner said. Raises DemoError."""
    wait = ("wait", "--for=condition=Ready", KINDS, "--all", "--all-namespaces", f"--timeout={WAIT_SECONDS}s")
    try:
        kubectl.show(*wait)
    except DemoError as error:
        raise DemoError(f"{error}\nThe runner said:\n{log()}") from None


def say(text: str) -> None:
    """Print a headline."""
    print(f"\n== {text}", flush=True)
