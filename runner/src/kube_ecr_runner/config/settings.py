"""The settings of kube-ecr-runner: its command line options, and the environment variables that stand in for them.

What always holds: each option has a variable, KUBE_ECR_ and its name, and some have a second one, which others set; an
option goes before its variables, and an empty variable, or an empty filter, counts as not set. A value that makes no
sense is refused with the option or the variable that it came from.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click
from click.core import ParameterSource

from kube_ecr_runner import PROGRAM
from kube_ecr_runner.config.ansible_args import parse_arguments
from kube_ecr_runner.config.option_types import (
    Flag,
    Parsed,
    address_of,
    at_least,
    endpoint_of,
    file_of,
    lease_of,
    pod_of,
    readable,
    tls_address_of,
    variables_in,
)
from kube_ecr_runner.config.sdk_settings import replacement_of
from kube_ecr_runner.contract.api_server import NAMESPACE_FILE
from kube_ecr_runner.contract.filters import identities_of, namespaces_of, selector_of
from kube_ecr_runner.log import FORMATS, LEVELS
from kube_ecr_runner.model.address import Address
from kube_ecr_runner.model.ansible_arguments import AnsibleArguments
from kube_ecr_runner.model.errors import StartupError
from kube_ecr_runner.model.playbook import MAX_VERBOSITY
from kube_ecr_runner.model.pod import Pod

_PREFIX = "KUBE_ECR"


class SettingsError(StartupError):
    """An option or its variable cannot be used; the text begins with its name and says what to give instead."""


@dataclass(frozen=True)
class Settings:
    """What the runner was told, one field for each option; see --help.

    lease is namespace and name, None where there is none; pod is None where the runner is in no pod, or does not know
    which; listen_address is None where no port is to be opened for probes. metrics_cert_path is None where the runner
    makes a certificate itself.
    """

    watches: Path
    once: bool = False
    dry_run: bool = False
    namespaces: tuple[str, ...] = ()
    selector: str = ""
    kubeconfig: str | None = None
    context: str | None = None
    aws_endpoint_url: str | None = None
    allowed_aws_identities: tuple[str, ...] = ()
    batch_window: float = 0.6
    batch_size: int = 1000
    # The API server sends a bookmark about once a minute, so a watch that receives nothing for longer may be dead.
    # https://kubernetes.io/docs/reference/using-api/api-concepts/#watch-bookmarks
    watch_silence: float = 90
    run_timeout: int = 300
    forks: int = 5
    ansible_verbosity: int = 0
    ansible_args: AnsibleArguments = AnsibleArguments()  # noqa: RUF009 (frozen)
    stand_by: bool = True
    watch_pods: bool = True
    recover_pods: bool = False
    leader_elect: bool = False
    lease: tuple[str, str] | None = None
    pod: Pod | None = None
    listen_address: Address | None = Address("", 8080)  # noqa: RUF009 (frozen)
    metrics_secure: bool = False
    metrics_bind_address: Address = Address("", 8443)  # noqa: RUF009 (frozen)
    metrics_cert_path: Path | None = None
    metrics_require_rbac: bool = False
    log_level: str = "info"
    log_format: str = "text"

    @property
    def is_pass(self) -> bool:
        """Whether the runner makes a single pass and ends."""
        return self.once or self.dry_run


def load_settings(arguments: Sequence[str] | None = None) -> Settings:
    """Return the settings that arguments (by default those of the process) and the environment give.

    Raises SettingsError; ends the process with 0 after --help and --version.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with _command.make_context(PROGRAM, given) as context:
            settings = _with_own_lease(Settings(**context.params), context)
            _check_lease(settings, context)
            _check_recovery(settings, context)
            _check_metrics(settings, context)
    except click.exceptions.Exit as done:
        raise SystemExit(done.exit_code) from None
    except click.UsageError as error:
        raise _refusal(error) from None
    return settings


def _check_lease(settings: Settings, context: click.Context) -> None:
    if settings.leader_elect and not settings.lease:
        message = "needs --lease NAMESPACE/NAME (or KUBE_ECR_LEASE) where the runner does not know its pod"
        raise click.BadParameter(message, context, _parameter("leader_elect"))


def _check_recovery(settings: Settings, context: click.Context) -> None:
    if settings.recover_pods and not settings.watch_pods:
        message = "needs --watch-pods (or KUBE_ECR_WATCH_PODS=true), since only pods that are seen are evicted"
        raise click.BadParameter(message, context, _parameter("recover_pods"))


def _check_metrics(settings: Settings, context: click.Context) -> None:
    """Refuse what counts with TLS only: a token that is shown over plain HTTP belongs to whoever listens."""
    if settings.metrics_secure:
        return
    for name in ("metrics_require_rbac", "metrics_cert_path", "metrics_bind_address"):
        if getattr(settings, name) != getattr(Settings, name):
            message = "needs --metrics-secure (or KUBE_ECR_METRICS_SECURE=true), since "
            message += (
                "a token must not be shown over plain HTTP"
                if name == "metrics_require_rbac"
                else "it is for TLS; --listen-address serves plain HTTP"
            )
            raise click.BadParameter(message, context, _parameter(name))


def _parameter(name: str) -> click.Parameter:
    (parameter,) = (parameter for parameter in _command.params if parameter.name == name)
    return parameter


def _refusal(error: click.UsageError) -> SettingsError:
    """Return what click found wrong in one line: where the value came from, and what to give instead."""
    if isinstance(error, click.NoSuchOption) and (instead := replacement_of(error.option_name)):
        return SettingsError(f"{error.option_name}: is an option of operator-sdk; {instead}")
    if not isinstance(error, click.BadParameter) or error.param is None or error.ctx is None:
        if isinstance(error, click.BadOptionUsage) and (parameter := _flag(error.option_name)):
            # Go's flags take one.
            forms = ", or ".join([*parameter.opts, *parameter.secondary_opts])
            return SettingsError(f"{error.option_name}: takes no value; write {forms}")
        # An option that does not exist, or has no value: click names it.
        return SettingsError(f"{error.format_message().removesuffix('.')}; --help lists the options")
    if isinstance(error, click.MissingParameter):
        return SettingsError(f"{error.param.opts[0]}: is missing; give it, or set {_variable(error.param)}")
    return SettingsError(f"{_source(error.param, error.ctx)}: {error.message.removesuffix('.')}")


def _flag(option: str) -> click.Option | None:
    found = (each for each in _command.params if isinstance(each, click.Option) and each.is_flag)
    return next((each for each in found if option in (*each.opts, *each.secondary_opts)), None)


def _source(parameter: click.Parameter, context: click.Context) -> str:
    """Return the option, or the variable where the value came from one."""
    if context.get_parameter_source(parameter.name) is not ParameterSource.ENVIRONMENT:
        return parameter.opts[0]
    # As click does: the first one that has a value.
    variables = parameter.envvar if isinstance(parameter.envvar, list) else []
    return next((name for name in variables if os.environ.get(name)), _variable(parameter))


def _variable(parameter: click.Parameter) -> str:
    """Return the variable of an option, the first one where it has two."""
    return f"{_PREFIX}_{parameter.name.upper()}"


def _with_own_lease(settings: Settings, context: click.Context) -> Settings:
    """Return the settings with the default of --lease, where it is not given: it is where the pod is.

    Which pod that is says --pod, or its service account if the API server is reached with that: by a kubeconfig it may
    be that of another cluster. Otherwise no namespace is known, and there is no default.
    """
    if not settings.leader_elect or context.get_parameter_source("lease") is not ParameterSource.DEFAULT:
        return settings
    if settings.pod:
        namespace = settings.pod.namespace
    else:
        namespace = "" if settings.kubeconfig or settings.context else _namespace_of_service_account()
    return replace(settings, lease=(namespace, PROGRAM)) if namespace else settings


def _namespace_of_service_account() -> str:
    try:
        return Path(NAMESPACE_FILE).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


_option = partial(click.option, show_envvar=True, show_default=True)


@click.command(
    PROGRAM,
    help="Watch custom resources in a Kubernetes cluster, and run a playbook for those that are due.",
    epilog=(
        "In a pod the runner uses its service account, elsewhere --kubeconfig, $KUBECONFIG or ~/.kube/config. Each "
        "option can be set by the environment variable that is named with it; the option goes first, and an empty "
        "variable counts as not set."
    ),
    context_settings={"auto_envvar_prefix": _PREFIX, "max_content_width": 100},
)
@_option(
    "--watches",
    type=Parsed(file_of),
    required=True,
    metavar="FILE",
    help="watches.yaml: which kind of custom resource runs which playbook or role",
)
@_option(
    "--once",
    is_flag=True,
    type=Flag(),
    help=(
        "make one pass over all resources, due or not, and exit: with 0 if all of them are served, else with 1; also "
        "with 1 if a namespace of --namespaces holds none, or --selector picks none"
    ),
)
@_option(
    "--dry-run",
    is_flag=True,
    type=Flag(),
    help="report what --once would do, and change nothing (Ansible's check mode)",
)
@_option(
    "--namespaces",
    # The second one is that of operators which OLM or operator-sdk starts; empty means all namespaces there, too.
    # https://sdk.operatorframework.io/docs/building-operators/golang/operator-scope/
    envvar=["KUBE_ECR_NAMESPACES", "WATCH_NAMESPACE"],
    type=Parsed(namespaces_of),
    default=Settings.namespaces,
    metavar="NAMES",
    help="serve only the namespaced resources in these namespaces (comma separated), and no cluster resources",
)
@_option(
    "--selector",
    type=Parsed(selector_of),
    default=Settings.selector,
    metavar="LABELS",
    help="serve only resources that match this label selector, in the syntax of kubectl -l",
)
@_option(
    "--kubeconfig",
    envvar=["KUBE_ECR_KUBECONFIG", "K8S_AUTH_KUBECONFIG"],
    metavar="FILE",
    help="kubeconfig to use",
)
@_option(
    "--context",
    envvar=["KUBE_ECR_CONTEXT", "K8S_AUTH_CONTEXT"],
    metavar="NAME",
    help="context of the kubeconfig to use",
)
@_option(
    "--aws-endpoint-url",
    type=Parsed(endpoint_of),
    metavar="URL",
    help="endpoint to call instead of the public one of AWS, such as a VPC endpoint or LocalStack",
)
@_option(
    "--allowed-aws-identities",
    type=Parsed(identities_of),
    default=Settings.allowed_aws_identities,
    show_default="none",
    metavar="PATTERNS",
    help=(
        "AWS identities of the runner that namespaced resources may use (comma separated): ARNs of roles that it "
        "assumes for them, where * stands for any characters, and the word runner for its own identity"
    ),
)
@_option(
    "--batch-window",
    type=at_least(float, 0),
    default=Settings.batch_window,
    metavar="SECONDS",
    help=(
        "longest time to collect due resources before a run starts; it starts earlier when nothing new became due for "
        "1/20 of that"
    ),
)
@_option(
    "--batch-size",
    type=at_least(int, 1),
    default=Settings.batch_size,
    metavar="N",
    help=(
        "largest number of resources in one run; for those that are due by the clock, where changes may come meanwhile "
        "(without --once), a quarter of that"
    ),
)
@_option(
    "--watch-silence",
    type=at_least(float, 1),
    default=Settings.watch_silence,
    metavar="SECONDS",
    help="reopen a watch that received nothing for this long; the API server sends a bookmark every minute",
)
@_option(
    "--run-timeout",
    type=at_least(int, 1),
    default=Settings.run_timeout,
    metavar="SECONDS",
    help="stop a run that takes longer than this",
)
@_option(
    "--forks",
    type=at_least(int, 1),
    default=Settings.forks,
    metavar="N",
    help="largest number of processes of a run; one serves up to 25 AWS identities side by side",
)
@_option(
    "--ansible-verbosity",
    type=at_least(int, 0, most=MAX_VERBOSITY),
    default=Settings.ansible_verbosity,
    metavar="N",
    help=(
        f"how much ansible-playbook prints, from 0 to {MAX_VERBOSITY}, as with so many -v; from 1 on the log has it "
        "(level info)"
    ),
)
@_option(
    "--ansible-args",
    type=Parsed(lambda text: parse_arguments(text, readable, variables_in)),
    default=Settings.ansible_args,
    show_default="none",
    metavar="ARGUMENTS",
    help=(
        "further arguments of ansible-playbook, quoted as for a shell, such as '--vault-password-file FILE --diff'; "
        "those that would change what a run serves are refused"
    ),
)
@_option(
    "--stand-by/--no-stand-by",
    type=Flag(),
    default=Settings.stand_by,
    help="start ansible-playbook ahead of need and use it for many runs: faster and cheaper, for 70 MB of memory",
)
@_option(
    "--watch-pods/--no-watch-pods",
    type=Flag(),
    default=Settings.watch_pods,
    help="watch pods, to tell in the status of a resource which of them wait for an image of its registries",
)
@_option(
    "--recover-pods/--no-recover-pods",
    type=Flag(),
    default=Settings.recover_pods,
    help="allow resources to have pods evicted that wait for the Secret that was just written (spec.recoverPods)",
)
@_option(
    "--leader-elect/--no-leader-elect",
    type=Flag(),
    default=Settings.leader_elect,
    help="for several replicas: only the one that holds a Lease works, the others wait",
)
@_option(
    "--lease",
    type=Parsed(lease_of),
    show_default=f"{PROGRAM} in the namespace of the pod",
    metavar="NAMESPACE/NAME",
    help="the Lease of --leader-elect",
)
@_option(
    "--pod",
    type=Parsed(pod_of),
    metavar="NAMESPACE/NAME/UID",
    help=(
        "the pod of this runner: it owns the Lease in its namespace, and a runner that is started again in it need not "
        "wait for the Lease. No other process may have the same"
    ),
)
@_option(
    "--listen-address",
    type=Parsed(address_of),
    default=Settings.listen_address,
    metavar="[HOST]:PORT",
    help=(
        "address to serve /healthz, /readyz and, without --metrics-secure, /metrics on; none or an empty value "
        "disables it"
    ),
)
@_option(
    "--metrics-secure/--no-metrics-secure",
    type=Flag(),
    default=Settings.metrics_secure,
    help="serve /metrics with TLS, on a port of its own",
)
@_option(
    "--metrics-bind-address",
    type=Parsed(tls_address_of),
    default=Settings.metrics_bind_address,
    metavar="[HOST]:PORT",
    help="address to serve /metrics on, with --metrics-secure",
)
@_option(
    "--metrics-cert-path",
    type=Parsed(file_of),
    show_default="a certificate that the runner makes at its start, and signs itself",
    metavar="FOLDER",
    help="folder with the certificate for --metrics-secure, tls.crt, and its key, tls.key; changes are noticed",
)
@_option(
    "--metrics-require-rbac/--no-metrics-require-rbac",
    type=Flag(),
    default=Settings.metrics_require_rbac,
    help=(
        "show /metrics only to those who may get this nonResourceURL, as TokenReview and SubjectAccessReview tell; "
        "needs --metrics-secure"
    ),
)
@_option(
    "--log-level", type=click.Choice(LEVELS), default=Settings.log_level, help="lowest level of log lines to write"
)
@_option("--log-format", type=click.Choice(list(FORMATS)), default=Settings.log_format, help="format of log lines")
# These two have no variable: KUBE_ECR_HELP would be one that keeps the runner from beginning.
@click.version_option(
    package_name=PROGRAM,
    message="%(prog)s %(version)s",
    allow_from_autoenv=False,
    help="show the version and exit",
)
@click.help_option("-h", "--help", allow_from_autoenv=False, help="show this text and exit")
def _command() -> None:
    """Only its options are used, see load_settings()."""
