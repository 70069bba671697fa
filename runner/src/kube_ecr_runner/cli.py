"""The command kube-ecr-runner: options, signals, and exit codes.

0 after SIGTERM or SIGINT, 2 when it cannot begin (options, environment, watches.yaml, no cluster named), 1 for
anything else: the Lease was lost, say.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from queue import Empty, SimpleQueue
from uuid import uuid4

from kube_ecr_runner import watches
from kube_ecr_runner.batch import Run, Settings
from kube_ecr_runner.controller import Controller, Inbox, Stop
from kube_ecr_runner.environment import EnvironmentVariableError, check_environment
from kube_ecr_runner.health import Health
from kube_ecr_runner.kube import NAMESPACES, Cluster, KubernetesError, Stream, Troubles, resources_of
from kube_ecr_runner.lease import Leadership
from kube_ecr_runner.logs import FORMATS, LEVELS, configure, fields
from kube_ecr_runner.metrics import Metrics
from kube_ecr_runner.monitor import Monitor
from kube_ecr_runner.private import TemporaryDirectoryError, check_tmpdir, remove_abandoned
from kube_ecr_runner.standby import StandBy, files_in_use
from kube_ecr_runner.web import Listener, ListenError, parse_address

PROGRAM = "kube-ecr-runner"
# How long the rest may take to end after the Lease was lost.
HALT_SECONDS = 5.0
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

_log = logging.getLogger("kube_ecr_runner.cli")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the custom resources of a cluster until SIGTERM or SIGINT; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.leader_elect and not options.lease:
        parser.error("--leader-elect needs --lease NAMESPACE/NAME where the runner is in no pod")
    monitor = Monitor(Health(options.run_timeout), Metrics())
    try:
        check_tmpdir(tempfile.gettempdir())
        check_environment(os.environ, Path("/proc/self/environ"))
        watched = watches.load(options.watches)
        cluster = Cluster.connect(options.kubeconfig, options.context)
        listener = Listener(options.listen_address, monitor) if options.listen_address else None
    except (
        TemporaryDirectoryError,
        EnvironmentVariableError,
        watches.WatchesError,
        KubernetesError,
        ListenError,
    ) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    configure(options.log_level, options.log_format)
    settings = Settings(
        kubeconfig=options.kubeconfig,
        context=options.context,
        aws_endpoint_url=options.aws_endpoint_url,
        allowed_aws_identities=options.allowed_aws_identities,
        timeout=options.run_timeout,
        forks=options.forks,
    )
    playbooks = {each.kind: each.playbook for each in watched}
    told = fields(
        version=version(PROGRAM),
        python=platform.python_version(),
        cluster=cluster.url,
        playbooks=",".join(sorted(set(playbooks.values()))),
        listening=listener.address if listener else "nowhere",
    )
    _log.info("started", extra=told)
    for path in remove_abandoned():
        _log.info("removed what a killed runner left behind", extra=fields(directory=path))
    with listener or nullcontext():
        return _serve(cluster, playbooks, settings, options, monitor)


def _serve(
    cluster: Cluster,
    playbooks: dict[str, str],
    settings: Settings,
    options: argparse.Namespace,
    monitor: Monitor,
) -> int:
    inbox: Inbox = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        # SimpleQueue.put is the one that may be called from a signal handler.
        signal.signal(number, lambda received, _: inbox.put(Stop(signal.Signals(received).name)))
    sources = {kind: resources_of(kind) for kind in playbooks}
    troubles, minor_troubles = Troubles(), Troubles()
    controller = Controller(
        playbooks,
        sources,
        cluster,
        StandBy(
            lambda playbook: Run(playbook, settings, monitor.aws_called),
            is_on=options.stand_by,
            files=lambda: files_in_use(os.environ, options.kubeconfig),
        ),
        inbox,
        lambda source: Stream(cluster, source, inbox.put, minor_troubles, monitor),
        monitor,
        window=timedelta(seconds=options.batch_window),
        batch_size=options.batch_size,
        random=random.Random(),  # noqa: S311 (a spread of due times, no secret)
    )
    watchers = [Stream(cluster, source, inbox.put, troubles, monitor) for source in (*sources.values(), NAMESPACES)]
    if not options.leader_elect:
        controller.run(watchers)
        return 0
    identity = f"{socket.gethostname()}_{uuid4()}"
    leadership = Leadership(cluster.lease(*options.lease), identity, partial(_lost, controller))
    monitor.leads(False)
    if leadership.acquire(partial(_pause, inbox)):
        monitor.leads(True)
        try:
            controller.run(watchers)
        finally:
            leadership.release()
    return 1 if controller.is_halted else 0


def _pause(inbox: Inbox, seconds: float) -> bool:
    """Return False if it is time to stop; nothing else comes before the watches begin."""
    try:
        inbox.get(timeout=seconds)
    except Empty:
        return True
    return False


def _lost(controller: Controller, cause: str) -> None:
    """See to it that the process ends, whatever the work loop is waiting for."""
    controller.halt(cause)
    time.sleep(HALT_SECONDS)
    os._exit(1)


def _parser() -> argparse.ArgumentParser:
    environment = os.environ
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Watch the custom resources of a cluster and run their playbook whenever one is due.",
        epilog="Inside a pod its service account is used; elsewhere --kubeconfig, $KUBECONFIG or ~/.kube/config.",
    )
    add = partial(parser.add_argument, metavar="")
    add("--watches", type=Path, required=True, metavar="FILE", help="which kind runs which playbook (watches.yaml)")
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
        default=0.3,
        metavar="SECONDS",
        help=(
            "how long to collect what is due before a run starts, at most; a sixth of it after the last news "
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


def _at_least(kind: type, least: int):
    def number(text: str) -> int | float:
        value = kind(text)
        if not least <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be {least} or more")
        return value

    number.__name__ = "number"
    return number
