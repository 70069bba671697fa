"""The options of the command kube-ecr-runner, and the variables of the environment that stand in for them.

A value that cannot be meant so is refused, with the option, or the variable, and what to give.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

from kube_ecr_runner.cluster.client import SILENCE_SECONDS
from kube_ecr_runner.config import selectors
from kube_ecr_runner.log import FORMATS, LEVELS
from kube_ecr_runner.telemetry.web import ListenError, parse_address

PROGRAM = "kube-ecr-runner"
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options in arguments (by default those of the process); exits with 2 if they are wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.leader_elect and not options.lease:
        parser.error("--leader-elect needs --lease NAMESPACE/NAME where the runner is in no pod")
    return options


def _parser() -> argparse.ArgumentParser:
    environment = os.environ
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Watch the custom resources of a cluster and run their playbook whenever one is due.",
        epilog="Inside a pod its service account is used; elsewhere --kubeconfig, $KUBECONFIG or ~/.kube/config.",
    )
    add = partial(parser.add_argument, metavar="")
    add(
        "--watches",
        type=Path,
        required=not environment.get("KUBE_ECR_WATCHES"),
        default=environment.get("KUBE_ECR_WATCHES"),
        metavar="FILE",
        help="which kind runs which playbook (watches.yaml)",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="serve all resources once, whether they are due or not, and end: with 0 if all are served, else with 1",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what --once would do, and change nothing (Ansible's check mode)",
    )
    add(
        "--namespaces",
        type=_namespaces,
        metavar="NAMES",
        default=(),
        help="only the namespaced resources of these namespaces, comma separated, and no cluster resources",
    )
    add(
        "--selector",
        type=_selector,
        metavar="LABELS",
        help="only resources with these labels, in the syntax of kubectl -l",
    )
    add("--kubeconfig", metavar="FILE", default=environment.get("K8S_AUTH_KUBECONFIG"), help="the kubeconfig to use")
    add("--context", metavar="NAME", default=environment.get("K8S_AUTH_CONTEXT"), help="the context of the kubeconfig")
    add(
        "--aws-endpoint-url",
        metavar="URL",
        default=environment.get("KUBE_ECR_AWS_ENDPOINT_URL"),
        help="another endpoint than that of AWS, such as a VPC endpoint or LocalStack",
    )
    add(
        "--allowed-aws-identities",
        type=_identities,
        metavar="PATTERNS",
        default=environment.get("KUBE_ECR_ALLOWED_AWS_IDENTITIES", ""),
        help=(
            "which AWS identities of the runner namespaced resources may use, comma separated: ARNs of roles that it "
            "assumes for them, where * stands for any characters, and the word runner for itself (default: none)"
        ),
    )
    add(
        "--batch-window",
        type=_at_least(float, 0),
        default=0.6,
        metavar="SECONDS",
        help=(
            "how long to collect what is due before a run starts, at most; a twentieth of it after the last news "
            "(default: %(default)s)"
        ),
    )
    add(
        "--batch-size",
        type=_at_least(int, 1),
        default=200,
        metavar="N",
        help="how many resources go into one run at most (default: %(default)s)",
    )
    add(
        "--watch-silence",
        type=_at_least(float, 1),
        default=SILENCE_SECONDS,
        metavar="SECONDS",
        help=(
            "after how long without a word a watch is opened anew, for it may be dead; the API server sends one each "
            "minute (default: %(default)s)"
        ),
    )
    add(
        "--run-timeout",
        type=_at_least(int, 1),
        default=300,
        metavar="SECONDS",
        help="when a run is stopped that has not ended (default: %(default)s)",
    )
    add(
        "--forks",
        type=_at_least(int, 1),
        default=5,
        metavar="N",
        help="how many AWS identities are served at a time (default: %(default)s)",
    )
    parser.add_argument(
        "--stand-by",
        action=argparse.BooleanOptionalAction,
        default=_flag(parser, "KUBE_ECR_STAND_BY", default=True),
        help="start the next ansible-playbook ahead of need, which takes 100 MB (default: --stand-by)",
    )
    parser.add_argument(
        "--leader-elect",
        action=argparse.BooleanOptionalAction,
        default=_flag(parser, "KUBE_ECR_LEADER_ELECT", default=False),
        help="work only while this process holds the Lease, for several replicas (default: --no-leader-elect)",
    )
    add(
        "--lease",
        type=_lease,
        metavar="NAMESPACE/NAME",
        default=environment.get("KUBE_ECR_LEASE") or _own_lease(),
        help=f"which Lease (default: {PROGRAM} in the namespace of the pod)",
    )
    add(
        "--listen-address",
        type=_address,
        metavar="[HOST]:PORT",
        default=environment.get("KUBE_ECR_LISTEN_ADDRESS", ":8080"),
        help="where /healthz, /readyz and /metrics are answered; an empty text for nowhere (default: %(default)s)",
    )
    add(
        "--log-level",
        type=_one_of(LEVELS),
        default=environment.get("KUBE_ECR_LOG_LEVEL", "info"),
        metavar="LEVEL",
        help="debug, info, warning or error (default: %(default)s)",
    )
    add(
        "--log-format",
        type=_one_of(FORMATS),
        default=environment.get("KUBE_ECR_LOG_FORMAT", "text"),
        metavar="FORMAT",
        help="text or json (default: %(default)s)",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {version(PROGRAM)}")
    return parser


def _flag(parser: argparse.ArgumentParser, variable: str, *, default: bool) -> bool:
    """Return what a variable of the environment says, which must be true or false."""
    text = os.environ.get(variable, "").strip().lower()
    if text not in ("", "true", "false"):
        parser.error(f"{variable} is {text!r}; set it to true or false")
    return text == "true" if text else default


def _own_lease() -> str:
    """Return the default of --lease: empty where this runs in no pod, so that no namespace is known."""
    try:
        return f"{_NAMESPACE_FILE.read_text(encoding='ascii').strip()}/{PROGRAM}"
    except OSError:
        return ""


def _lease(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    namespace, _, name = text.partition("/")
    if not namespace or not name or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAMESPACE/NAME, such as kube-ecr/{PROGRAM}")
    return namespace, name


def _identities(text: str) -> tuple[str, ...]:
    """Refuse what matches no role: the name of one without its ARN, say, would allow nothing and not tell so."""
    patterns = tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
    for each in patterns:
        if each != "runner" and not (each.startswith(("arn:", "*")) and each.isprintable() and " " not in each):
            raise argparse.ArgumentTypeError(
                f"{each!r} matches no AWS identity: give 'runner' or a pattern for ARNs of roles, such as "
                "arn:aws:iam::111122223333:role/ecr-pull-*, separated by commas"
            )
    return patterns


def _address(text: str) -> tuple[str, int] | None:
    try:
        return parse_address(text)
    except ListenError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _one_of(words: Iterable[str]) -> Callable[[str], str]:
    """Choices would not be looked at where the environment gives the word."""

    def word(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(words)}")
        return text

    return word


def _namespaces(text: str) -> tuple[str, ...]:
    """An empty list is refused: it may come of a variable that is not set, and would stand for all namespaces."""
    names = tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
    for each in names or (text,):
        if not _NAMESPACE.fullmatch(each):
            raise argparse.ArgumentTypeError(f"{each!r} is no name of a namespace; give names, separated by commas")
    return names


def _selector(text: str) -> str:
    try:
        return selectors.check(text)
    except selectors.SelectorError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _at_least(kind: type, least: int):
    def number(text: str) -> int | float:
        value = kind(text)
        if not least <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be {least} or more")
        return value

    number.__name__ = "number"
    return number
