"""The command kube-ecr-runner: options, signals, and exit codes.

0 after SIGTERM or SIGINT, 2 when it cannot begin (options, environment, watches.yaml, no cluster named), 1 for
anything else. With --once, 0 only if all resources are served.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import random
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue

from kube_ecr_runner import selectors, watches
from kube_ecr_runner.batch import Settings, TemporaryDirectoryError, adopt_orphans, check_tmpdir, run_batch
from kube_ecr_runner.controller import Controller, Inbox, Stop
from kube_ecr_runner.environment import EnvironmentVariableError, check_environment
from kube_ecr_runner.kube import NAMESPACES, Cluster, KubernetesError, Source, Stream, Troubles, resources_of
from kube_ecr_runner.logs import configure, fields
from kube_ecr_runner.once import serve_once
from kube_ecr_runner.resources import NAMESPACED_KIND
from kube_ecr_runner.watches import Watch, WatchesError

PROGRAM = "kube-ecr-runner"
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

_log = logging.getLogger("kube_ecr_runner.cli")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the custom resources of a cluster until SIGTERM or SIGINT; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        check_tmpdir(tempfile.gettempdir())
        check_environment(os.environ, Path("/proc/self/environ"))
        watched = _picked(watches.load(options.watches), options)
        cluster = Cluster.connect(options.kubeconfig, options.context)
    except (
        TemporaryDirectoryError,
        EnvironmentVariableError,
        WatchesError,
        KubernetesError,
    ) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    configure(options.log_level)
    settings = Settings(
        kubeconfig=options.kubeconfig,
        context=options.context,
        aws_endpoint_url=options.aws_endpoint_url,
        allowed_aws_identities=options.allowed_aws_identities,
        is_local=bool(options.namespaces),
        is_dry=options.dry_run,
        timeout=options.run_timeout,
        forks=options.forks,
    )
    told = fields(
        version=version(PROGRAM),
        python=platform.python_version(),
        cluster=cluster.url,
        playbooks=",".join(sorted({str(each.play) for each in watched})),
        namespaces=",".join(options.namespaces) or None,
        selector=options.selector,
    )
    _log.info("started", extra=told)
    if options.once or options.dry_run:
        return 0 if _pass(cluster, watched, settings, options) else 1
    _serve(cluster, watched, settings, options)
    return 0


def _picked(watched: list[Watch], options: argparse.Namespace) -> list[Watch]:
    """Return the watches of kinds that are served: in namespaces, cluster resources are not."""
    picked = [each for each in watched if each.kind == NAMESPACED_KIND or not options.namespaces]
    if not picked:
        raise WatchesError(f"{options.watches}: has no entry for {NAMESPACED_KIND}, but --namespaces picks just those")
    return picked


def _sources(watched: list[Watch], options: argparse.Namespace) -> list[Source]:
    """Return what to list and watch: a source for each kind, and for each namespace if there are any."""
    return [
        resources_of(each.kind, namespace, selectors.joined(each.selector, options.selector or ""))
        for each in watched
        for namespace in options.namespaces or ("",)
    ]


def _pass(cluster: Cluster, watched: list[Watch], settings: Settings, options: argparse.Namespace) -> bool:
    cancelled = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: cancelled.set())
    adopt_orphans()
    return serve_once(
        cluster,
        watched,
        _sources(watched, options),
        lambda keys, play, deliver, stop: run_batch(keys, play, settings, deliver, stop),
        cancelled,
        is_dry=options.dry_run,
        batch_size=options.batch_size,
        random=random.Random(),  # noqa: S311 (a spread of due times, no secret)
    )


def _serve(cluster: Cluster, watched: list[Watch], settings: Settings, options: argparse.Namespace) -> None:
    inbox: Inbox = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        # SimpleQueue.put is the one that may be called from a signal handler.
        signal.signal(number, lambda received, _: inbox.put(Stop(signal.Signals(received).name)))
    adopt_orphans()
    sources = _sources(watched, options)
    troubles, minor_troubles = Troubles(), Troubles()
    controller = Controller(
        watched,
        sources,
        cluster,
        lambda keys, play, deliver, cancelled: run_batch(keys, play, settings, deliver, cancelled),
        inbox,
        lambda source: Stream(cluster, source, inbox.put, minor_troubles),
        window=timedelta(seconds=options.batch_window),
        batch_size=options.batch_size,
        random=random.Random(),  # noqa: S311 (a spread of due times, no secret)
    )
    controller.run(Stream(cluster, source, inbox.put, troubles) for source in (*sources, NAMESPACES))


def _parser() -> argparse.ArgumentParser:
    environment = os.environ
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Watch the custom resources of a cluster and run their playbook whenever one is due.",
        epilog="Inside a pod its service account is used; elsewhere --kubeconfig, $KUBECONFIG or ~/.kube/config.",
    )
    add = partial(parser.add_argument, metavar="")
    add("--watches", type=Path, required=True, metavar="FILE", help="which kind runs which playbook (watches.yaml)")
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
        default=0.3,
        metavar="SECONDS",
        help="how long to collect what is due before a run starts (default: %(default)s)",
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
    add(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        metavar="LEVEL",
        help="debug, info, warning or error (default: %(default)s)",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {version(PROGRAM)}")
    return parser


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
