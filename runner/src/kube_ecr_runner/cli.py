"""The command kube-ecr-runner: what it puts together, signals, and exit codes.

0 after SIGTERM or SIGINT, 2 when it cannot begin (options, environment, watches.yaml, no cluster named), 1 for
anything else: the Lease was lost, say. With --once, 0 only if all resources are served and each filter picks one.
"""

from __future__ import annotations

import logging
import os
import platform
import random
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from queue import Empty, SimpleQueue

from kube_ecr_runner import PROGRAM
from kube_ecr_runner.cluster.client import Cluster
from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.cluster.leader_election import Identity, Leadership
from kube_ecr_runner.cluster.reflector import Reflector, WatchErrorLog
from kube_ecr_runner.cluster.sources import NAMESPACES, Source, pods_in, resources_of
from kube_ecr_runner.config import selectors, watches
from kube_ecr_runner.config.option_types import readable
from kube_ecr_runner.config.sdk_settings import without_effect
from kube_ecr_runner.config.settings import Settings, load_settings
from kube_ecr_runner.config.watches import WatchesEntry, WatchesError
from kube_ecr_runner.contract.filters import unpicked
from kube_ecr_runner.contract.kinds import GROUP, KINDS, NAMESPACED_KIND
from kube_ecr_runner.controller.loop import Controller
from kube_ecr_runner.controller.messages import Inbox, Stop
from kube_ecr_runner.controller.one_pass import serve_once
from kube_ecr_runner.controller.parts import Parts
from kube_ecr_runner.log import configure, fields
from kube_ecr_runner.model.errors import StartupError
from kube_ecr_runner.model.observer import Part
from kube_ecr_runner.runs.environment import (
    VAULT_PASSWORD_FILE,
    check_environment,
    settings_not_passed_on,
    without_secrets,
)
from kube_ecr_runner.runs.run import Run, RunSettings, absolute_path, run_batch
from kube_ecr_runner.runs.run_directory import check_tmpdir, remove_abandoned
from kube_ecr_runner.runs.standby import StandBy, files_in_use
from kube_ecr_runner.telemetry.application import Application
from kube_ecr_runner.telemetry.authorization import Authorization
from kube_ecr_runner.telemetry.certificate import CertificateFiles, OwnCertificate
from kube_ecr_runner.telemetry.health import Health
from kube_ecr_runner.telemetry.metrics import Metrics
from kube_ecr_runner.telemetry.monitor import Monitor
from kube_ecr_runner.telemetry.pages import Probes, metrics_pages
from kube_ecr_runner.telemetry.web import Listener

# How long the rest may take to end after the Lease was lost.
HALT_SECONDS = 5.0

# See proc_pid_environ(5).
OWN_ENVIRONMENT = Path("/proc/self/environ")

_log = logging.getLogger("kube_ecr_runner.cli")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the custom resources of a cluster until SIGTERM or SIGINT; return the exit code."""
    try:
        settings = load_settings(arguments)
        check_tmpdir()
        check_environment(
            os.environ,
            OWN_ENVIRONMENT,
            is_there=OWN_ENVIRONMENT.exists(),
            can_read=lambda path: readable(absolute_path(path)),
        )
        watched = _picked(_watches(settings), settings)
        cluster = Cluster.connect(settings.kubeconfig, settings.context, silence=settings.watch_silence)
        monitor = Monitor(Health(settings.run_timeout), Metrics())
        listener, metrics = _listener(settings, monitor), _metrics_listener(settings, monitor, cluster)
    except StartupError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    configure(settings.log_level, settings.log_format)
    _log_start(settings, watched, cluster, listener, metrics)
    for path in remove_abandoned():
        _log.info("removed stale run directory", extra=fields(directory=path))
    if settings.is_pass:
        return 0 if _pass(cluster, watched, settings) else 1
    with ExitStack() as stack:
        for port in filter(None, (listener, metrics)):
            stack.enter_context(port)
        return _serve(cluster, watched, settings, monitor)


def _listener(settings: Settings, monitor: Monitor) -> Listener | None:
    """Open the port for probes and plain metrics, where there is to be one; nobody would probe a single pass."""
    if settings.listen_address is None or settings.is_pass:
        return None
    pages = Probes(monitor.health).pages()
    return Listener(
        settings.listen_address,
        Application(pages if settings.metrics_secure else {**pages, **metrics_pages(monitor.metrics)}),
        "set --listen-address (or KUBE_ECR_LISTEN_ADDRESS) to an address that is free, or to none to do without probes "
        "and metrics",
    )


def _metrics_listener(settings: Settings, monitor: Monitor, cluster: Cluster) -> Listener | None:
    """Open the port for metrics with TLS, where there is to be one."""
    if not settings.metrics_secure or settings.is_pass:
        return None
    authorization = Authorization(cluster.reviews()) if settings.metrics_require_rbac else None
    folder = settings.metrics_cert_path
    return Listener(
        settings.metrics_bind_address,
        Application(metrics_pages(monitor.metrics, authorization)),
        "set --metrics-bind-address (or KUBE_ECR_METRICS_BIND_ADDRESS) to an address that is free",
        CertificateFiles(folder) if folder else OwnCertificate(),
    )


def _log_start(
    settings: Settings,
    watched: list[WatchesEntry],
    cluster: Cluster,
    listener: Listener | None,
    metrics: Listener | None,
) -> None:
    values = fields(
        version=version(PROGRAM),
        python=platform.python_version(),
        cluster=cluster.url,
        playbooks=",".join(sorted({str(entry.playbook) for entry in watched})),
        namespaces=",".join(settings.namespaces) or None,
        selector=settings.selector or None,
        listening=listener.address if listener else "nowhere",
        metrics=f"https://{metrics.address}/metrics" if metrics else None,
    )
    _log.info("started", extra=values)
    if names := settings_not_passed_on(os.environ, {watches.verbosity_variable(kind) for kind in KINDS}):
        _log.info("runs do not use these variables", extra=fields(names=",".join(names)))
    if names := without_effect(os.environ, GROUP):
        _log.warning(
            "variables without effect: resources share a run", extra=fields(names=",".join(names), use="--forks")
        )


def _watches(settings: Settings) -> list[WatchesEntry]:
    has_password = settings.ansible_args.has_vault_password or bool(os.environ.get(VAULT_PASSWORD_FILE))
    return watches.load(
        settings.watches,
        without_secrets(os.environ),
        verbosity=settings.ansible_verbosity,
        has_vault_password=has_password,
    )


def _run_settings(settings: Settings) -> RunSettings:
    return RunSettings(
        kubeconfig=settings.kubeconfig,
        context=settings.context,
        aws_endpoint_url=settings.aws_endpoint_url,
        allowed_aws_identities=settings.allowed_aws_identities,
        namespaces=settings.namespaces,
        is_dry=settings.dry_run,
        is_pass=settings.is_pass,
        timeout=settings.run_timeout,
        forks=settings.forks,
        arguments=settings.ansible_args.arguments,
    )


def _picked(watched: list[WatchesEntry], settings: Settings) -> list[WatchesEntry]:
    """Return the watches of kinds that are served: in namespaces, cluster resources are not."""
    picked = [entry for entry in watched if entry.kind == NAMESPACED_KIND or not settings.namespaces]
    if not picked:
        raise WatchesError(f"{settings.watches}: has no entry for {NAMESPACED_KIND}, but --namespaces picks just those")
    return picked


def _sources(watched: list[WatchesEntry], settings: Settings) -> list[Source]:
    """Return what to list and watch: a source for each kind, and for each namespace if there are any."""
    return [
        resources_of(entry.kind, namespace, selectors.joined(entry.selector, settings.selector))
        for entry in watched
        for namespace in settings.namespaces or ("",)
    ]


def _pod_sources(settings: Settings) -> list[Source]:
    """Return where to look for pods that cannot pull: where the resources are, which may be everywhere."""
    return [pods_in(namespace) for namespace in settings.namespaces or ("",)] if settings.watch_pods else []


def _pass(cluster: Cluster, watched: list[WatchesEntry], settings: Settings) -> bool:
    run_settings = _run_settings(settings)
    if settings.dry_run and settings.leader_elect and not _may_read_lease(cluster, settings):
        return False
    cancelled = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: cancelled.set())
    return serve_once(
        cluster,
        watched,
        _sources(watched, settings),
        lambda keys, playbook, deliver, stop: run_batch(keys, playbook, run_settings, deliver, stop),
        cancelled,
        lambda found: unpicked(found, (), settings.namespaces, settings.selector),
        is_dry=settings.dry_run,
        batch_size=settings.batch_size,
        random=random.Random(),  # noqa: S311 (a spread of due times, no secret)
    )


def _may_read_lease(cluster: Cluster, settings: Settings) -> bool:
    """Return whether a runner with these settings could have the Lease, as far as a look tells; log why not."""
    assert settings.lease, "load_settings() refuses an election without a Lease"
    try:
        cluster.lease(*settings.lease, settings.pod).read()
    except KubernetesError as error:
        _log.error("cannot read the Lease", extra=fields(cause=error))
        return False
    return True


def _serve(cluster: Cluster, watched: list[WatchesEntry], settings: Settings, monitor: Monitor) -> int:
    run_settings = _run_settings(settings)
    inbox: Inbox = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        # SimpleQueue.put is the one that may be called from a signal handler.
        signal.signal(number, lambda received, _: inbox.put(Stop(signal.Signals(received).name)))
    sources, pods = _sources(watched, settings), _pod_sources(settings)
    errors, minor_errors = WatchErrorLog(), WatchErrorLog()
    parts = Parts.make(
        watched,
        sources,
        cluster,
        StandBy(
            lambda playbook: Run(
                playbook,
                run_settings,
                monitor.aws_called,
                playbook.rounds if settings.stand_by else 1,
                on_begin=partial(monitor.part_works, Part.PLAYBOOK, ""),
            ),
            is_on=settings.stand_by,
            files=lambda: files_in_use(os.environ, settings.kubeconfig, settings.ansible_args.files),
            tell=partial(monitor.part_works, Part.PLAYBOOK),
        ),
        inbox.put,
        lambda source: Reflector(cluster, source, inbox.put, minor_errors, monitor),
        monitor,
        window=timedelta(seconds=settings.batch_window),
        batch_size=settings.batch_size,
        random=random.Random(),  # noqa: S311 (a spread of due times, no secret)
        pods=pods,
        may_recover=settings.recover_pods,
    )
    controller = Controller(parts, inbox, monitor)
    watchers = [Reflector(cluster, source, inbox.put, errors, monitor) for source in (*sources, NAMESPACES)]
    # What works without this watch goes on without it, whatever keeps it from working.
    watchers += [Reflector(cluster, source, inbox.put, minor_errors, monitor) for source in pods]
    if not settings.leader_elect:
        controller.run(watchers)
        return 0
    assert settings.lease, "load_settings() refuses an election without a Lease"
    lease = cluster.lease(*settings.lease, settings.pod)
    leadership = Leadership(lease, Identity.of_this_process(settings.pod), partial(_lost, controller))
    monitor.leads(False)
    if leadership.acquire(partial(_pause, inbox), partial(monitor.part_works, Part.LEASE)):
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
