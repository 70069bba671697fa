"""What the command makes of its options and of the environment variables that stand in for them."""

from __future__ import annotations

import os
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from kube_ecr_runner.config import settings as module
from kube_ecr_runner.config.settings import Settings, SettingsError, load_settings
from kube_ecr_runner.model.address import Address
from kube_ecr_runner.model.pod import Pod

WATCHES = Path("/etc/watches.yaml")
REQUIRED = ["--watches", str(WATCHES)]
ROLE = "arn:aws:iam::111122223333:role/ecr-*"
# Of each option with a value: a text, and what it stands for.
VALUES = [
    ("--namespaces", " team-a,team-b,,team-a", ("team-a", "team-b")),
    ("--namespaces", "", ()),
    ("--selector", "shard in (a, b)", "shard in (a, b)"),
    ("--selector", " ", ""),
    ("--kubeconfig", "/k", "/k"),
    ("--context", "c", "c"),
    ("--aws-endpoint-url", "http://localhost:4566", "http://localhost:4566"),
    ("--aws-endpoint-url", "https://vpce.example.com", "https://vpce.example.com"),
    ("--allowed-aws-identities", " , ", ()),
    ("--allowed-aws-identities", "runner", ("runner",)),
    ("--allowed-aws-identities", f"{ROLE}, runner,,runner,*:role/x,*", (ROLE, "runner", "*:role/x", "*")),
    ("--batch-window", "0", 0.0),
    ("--batch-size", "1", 1),
    ("--watch-silence", "1.5", 1.5),
    ("--run-timeout", "600", 600),
    ("--forks", "20", 20),
    ("--lease", "a/b", ("a", "b")),
    ("--pod", "a/b-1.x/0f9c-1", Pod("a", "b-1.x", "0f9c-1")),
    ("--listen-address", "[::1]:80", Address("::1", 80)),
    ("--listen-address", "none", None),
    ("--log-level", "debug", "debug"),
    ("--log-format", "json", "json"),
]
REFUSED = [
    ("--namespaces", "team-a,Team", "'Team' is not the name of a namespace"),
    ("--namespaces", "team-*", "'team-*' is not the name of a namespace"),
    ("--namespaces", " , ", "' , ' is not the name of a namespace"),
    ("--selector", "tier is x", "'tier is x' is no condition on a label, such as tier=production"),
    ("--aws-endpoint-url", "localhost:4566", "'localhost:4566' is not a URL; give one such as https://"),
    ("--aws-endpoint-url", "ftp://x", "'ftp://x' is not a URL"),
    ("--aws-endpoint-url", "http://", "'http://' is not a URL; give one such as https://"),
    ("--allowed-aws-identities", "runner,Runner", "'Runner' matches no AWS identity: give 'runner' or a pattern"),
    ("--allowed-aws-identities", "ecr-pull", "'ecr-pull' matches no AWS identity"),
    ("--allowed-aws-identities", "role/x*", "'role/x*' matches no AWS identity"),
    ("--allowed-aws-identities", "111122223333", "'111122223333' matches no AWS identity"),
    ("--allowed-aws-identities", "arn:a arn:b", "'arn:a arn:b' matches no AWS identity"),
    ("--allowed-aws-identities", "?rn:*", "'?rn:*' matches no AWS identity"),
    ("--batch-window", "-0.1", "'-0.1' is not a number that is 0 or more"),
    ("--batch-window", "nan", "'nan' is not a number that is 0 or more"),
    ("--batch-window", "inf", "'inf' is not a number that is 0 or more"),
    ("--batch-size", "0", "'0' is not a whole number that is 1 or more"),
    ("--batch-size", "1.5", "'1.5' is not a whole number that is 1 or more"),
    ("--watch-silence", "0.9", "'0.9' is not a number that is 1 or more"),
    ("--run-timeout", "1m", "'1m' is not a whole number that is 1 or more"),
    ("--forks", "many", "'many' is not a whole number that is 1 or more"),
    ("--lease", "runner", "'runner' is not of the form NAMESPACE/NAME, such as kube-ecr/kube-ecr-runner"),
    ("--lease", "a/b/c", "'a/b/c' is not of the form NAMESPACE/NAME"),
    ("--lease", "$(POD_NAMESPACE)/b", "'$(POD_NAMESPACE)/b' is not of the form NAMESPACE/NAME"),
    ("--lease", "a/B", "'a/B' is not of the form NAMESPACE/NAME"),
    ("--pod", "ns/pod", "'ns/pod' is not of the form NAMESPACE/NAME/UID; the downward API has name and UID"),
    ("--listen-address", "8080", "'8080' is not an address to listen on; give :8080"),
    ("--log-level", "loud", "'loud' is not one of 'debug', 'info', 'warning', 'error'"),
    ("--log-format", "xml", "'xml' is not one of 'text', 'json'"),
]
FLAGS = ["--once", "--dry-run", "--stand-by", "--watch-pods", "--recover-pods", "--leader-elect", "--metrics-secure"]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("KUBE_ECR_", "K8S_AUTH_", "WATCH_NAMESPACE")):
            monkeypatch.delenv(name)


def field(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


def variable(option: str) -> str:
    return f"KUBE_ECR_{field(option).upper()}"


def test_nothing_but_the_watches_has_to_be_given() -> None:
    assert load_settings(REQUIRED) == Settings(WATCHES)
    with pytest.raises(SettingsError, match=r"^--watches: is missing; give it, or set KUBE_ECR_WATCHES$"):
        load_settings([])


def test_options_are_those_of_the_process_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["kube-ecr-runner", *REQUIRED, "--once"])
    assert load_settings() == Settings(WATCHES, once=True)


@pytest.mark.parametrize(("option", "text", "value"), VALUES)
def test_value_comes_from_option_or_variable(
    monkeypatch: pytest.MonkeyPatch, option: str, text: str, value: object
) -> None:
    assert load_settings([*REQUIRED, option, text]) == Settings(WATCHES, **{field(option): value})
    monkeypatch.setenv(variable(option), text)
    assert load_settings(REQUIRED) == Settings(WATCHES, **{field(option): value})


@pytest.mark.parametrize("option", FLAGS)
def test_flag_comes_from_option_or_variable(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    arguments = [*REQUIRED, "--lease", "a/b"]
    expected = Settings(WATCHES, lease=("a", "b"))
    assert load_settings([*arguments, option]) == replace(expected, **{field(option): True})
    for text, value in (("true", True), ("False", False), (" TRUE ", True)):
        monkeypatch.setenv(variable(option), text)
        assert load_settings(arguments) == replace(expected, **{field(option): value})


@pytest.mark.parametrize("option", ["--stand-by", "--watch-pods", "--leader-elect"])
def test_flag_of_a_variable_is_turned_off_by_the_option(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.setenv(variable(option), "true")
    assert not getattr(load_settings([*REQUIRED, option.replace("--", "--no-")]), field(option))


def test_pods_that_are_not_looked_at_cannot_be_recovered(monkeypatch: pytest.MonkeyPatch) -> None:
    message = r"^--recover-pods: needs --watch-pods \(or KUBE_ECR_WATCH_PODS=true\), since only pods that are seen"
    with pytest.raises(SettingsError, match=message):
        load_settings([*REQUIRED, "--recover-pods", "--no-watch-pods"])
    monkeypatch.setenv("KUBE_ECR_RECOVER_PODS", "true")
    monkeypatch.setenv("KUBE_ECR_WATCH_PODS", "false")
    with pytest.raises(SettingsError, match=r"^KUBE_ECR_RECOVER_PODS: needs --watch-pods"):
        load_settings(REQUIRED)


SECURED = [
    ("--metrics-bind-address", "127.0.0.1:9443", Address("127.0.0.1", 9443)),
    ("--metrics-cert-path", "/certificate", Path("/certificate")),
    ("--metrics-require-rbac", "true", True),
]


@pytest.mark.parametrize(("option", "text", "value"), SECURED)
def test_what_is_about_tls_counts_with_tls_only(
    monkeypatch: pytest.MonkeyPatch, option: str, text: str, value: object
) -> None:
    """A token that is shown over plain HTTP belongs to whoever listens."""
    arguments = [*REQUIRED, option] if value is True else [*REQUIRED, option, text]
    expected = Settings(WATCHES, metrics_secure=True, **{field(option): value})
    assert load_settings([*arguments, "--metrics-secure"]) == expected
    with pytest.raises(SettingsError, match=rf"^{option}: needs --metrics-secure \(or KUBE_ECR_METRICS_SECURE=true\)"):
        load_settings(arguments)
    monkeypatch.setenv(variable(option), text)
    with pytest.raises(SettingsError, match=rf"^{variable(option)}: needs --metrics-secure"):
        load_settings(REQUIRED)
    monkeypatch.setenv("KUBE_ECR_METRICS_SECURE", "true")
    assert load_settings(REQUIRED) == expected
    monkeypatch.setenv(variable(option), "")
    assert load_settings(REQUIRED) == Settings(WATCHES, metrics_secure=True)


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("--metrics-bind-address", "none", "'none' is not an address to listen on; give :8080"),
        ("--metrics-cert-path", "", "is empty; name a file"),
    ],
)
def test_what_makes_no_sense_for_tls_is_refused(option: str, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=f"^{option}: {words}"):
        load_settings([*REQUIRED, "--metrics-secure", option, text])


def test_a_dry_run_is_a_single_pass_too() -> None:
    passes = [Settings(WATCHES, once=once, dry_run=dry).is_pass for once in (False, True) for dry in (False, True)]
    assert passes == [False, True, True, True]


@pytest.mark.parametrize("option", ["--listen-address", "--pod", "--lease", "--aws-endpoint-url"])
def test_empty_option_turns_off_what_it_is_about(option: str) -> None:
    assert load_settings([*REQUIRED, option, ""]) == Settings(WATCHES, **{field(option): None})


def test_option_goes_before_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBE_ECR_WATCHES", "/other.yaml")
    assert load_settings([]) == Settings(Path("/other.yaml"))
    monkeypatch.setenv("KUBE_ECR_FORKS", "many")
    assert load_settings([*REQUIRED, "--forks", "7"]) == Settings(WATCHES, forks=7)


@pytest.mark.parametrize("option", [*dict.fromkeys(option for option, _, _ in VALUES), *FLAGS])
def test_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.setenv(variable(option), "")
    assert load_settings(REQUIRED) == Settings(WATCHES)


def test_kubeconfig_and_context_come_from_ansibles_variables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_AUTH_KUBECONFIG", "/ansible")
    monkeypatch.setenv("K8S_AUTH_CONTEXT", "ansible")
    assert load_settings(REQUIRED) == Settings(WATCHES, kubeconfig="/ansible", context="ansible")
    monkeypatch.setenv("KUBE_ECR_KUBECONFIG", "/own")
    monkeypatch.setenv("KUBE_ECR_CONTEXT", "own")
    assert load_settings(REQUIRED) == Settings(WATCHES, kubeconfig="/own", context="own")


@pytest.mark.parametrize(("text", "namespaces"), [("", ()), ("team-a", ("team-a",)), ("a,b", ("a", "b"))])
def test_namespaces_come_from_the_variable_of_operators_too(
    monkeypatch: pytest.MonkeyPatch, text: str, namespaces: tuple[str, ...]
) -> None:
    monkeypatch.setenv("WATCH_NAMESPACE", text)
    assert load_settings(REQUIRED) == Settings(WATCHES, namespaces=namespaces)
    monkeypatch.setenv("KUBE_ECR_NAMESPACES", "own")
    assert load_settings(REQUIRED) == Settings(WATCHES, namespaces=("own",))
    assert load_settings([*REQUIRED, "--namespaces", "given"]) == Settings(WATCHES, namespaces=("given",))


def test_a_refused_value_is_named_with_the_variable_that_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBE_ECR_NAMESPACES", "")
    monkeypatch.setenv("WATCH_NAMESPACE", "team-a,*")
    with pytest.raises(SettingsError, match=r"^WATCH_NAMESPACE: '\*' is not the name of a namespace"):
        load_settings(REQUIRED)


@pytest.mark.parametrize(("option", "text", "words"), REFUSED)
def test_value_that_makes_no_sense_is_refused_with_where_it_came_from(
    monkeypatch: pytest.MonkeyPatch, option: str, text: str, words: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings([*REQUIRED, option, text])
    assert str(caught.value).startswith(f"{option}: {words}")
    monkeypatch.setenv(variable(option), text)
    with pytest.raises(SettingsError) as caught:
        load_settings(REQUIRED)
    assert str(caught.value).startswith(f"{variable(option)}: {words}")
    assert not str(caught.value).endswith(".")


@pytest.mark.parametrize("option", FLAGS)
def test_flag_that_is_neither_true_nor_false_is_refused(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.setenv(variable(option), "maybe")
    with pytest.raises(SettingsError, match=f"^{variable(option)}: 'maybe' is neither true nor false; set it to"):
        load_settings(REQUIRED)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--watches", ""], "--watches: is empty; name a file"),
        (["--watches"], "Option '--watches' requires an argument; --help lists the options"),
        ([*REQUIRED, "--once=yes"], "--once: takes no value; write --once"),
        (
            [*REQUIRED, "--metrics-secure=true"],
            "--metrics-secure: takes no value; write --metrics-secure, or --no-metrics-secure",
        ),
        (
            [*REQUIRED, "--metrics-secure", "--metrics-bind-address=0"],
            "--metrics-bind-address: '0' is no address; for no metrics with TLS, leave --metrics-secure out",
        ),
        (
            [*REQUIRED, "--metrics-bind-address=127.0.0.1:8080"],
            "--metrics-bind-address: needs --metrics-secure (or KUBE_ECR_METRICS_SECURE=true), since it is for TLS; ",
        ),
        ([*REQUIRED, "--fork", "2"], "No such option '--fork'"),
        ([*REQUIRED, "more"], "Got unexpected extra argument (more); --help lists the options"),
        ([*REQUIRED, "--leader-elect"], "--leader-elect: needs --lease NAMESPACE/NAME (or KUBE_ECR_LEASE)"),
        ([*REQUIRED, "--leader-elect", "--lease", ""], "--leader-elect: needs --lease NAMESPACE/NAME"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_in_one_line(arguments: list[str], text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(arguments)
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)


def test_lease_that_is_missing_is_named_with_who_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBE_ECR_LEADER_ELECT", "true")
    with pytest.raises(SettingsError, match=r"^KUBE_ECR_LEADER_ELECT: needs --lease NAMESPACE/NAME"):
        load_settings(REQUIRED)


POD = ["--pod", "of-pod/name/uid"]


@pytest.mark.parametrize(
    ("options", "in_file", "namespace"),
    [
        pytest.param([], "of-account\n", "of-account", id="that of its service account"),
        pytest.param(POD, "of-account", "of-pod", id="that which it is told"),
        pytest.param(POD, None, "of-pod", id="that which it is told, with no service account"),
        pytest.param(["--kubeconfig", "/k"], "of-account", None, id="none: a kubeconfig may lead to another cluster"),
        pytest.param(["--context", "c"], "of-account", None, id="none: so may a context"),
        pytest.param(["--kubeconfig", "/k", *POD], "of-account", "of-pod", id="that which it is told, by kubeconfig"),
        pytest.param([], " \n", None, id="none: the file is empty"),
        pytest.param([], None, None, id="none: there is no file"),
    ],
)
def test_lease_is_where_the_pod_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str], in_file: str | None, namespace: str | None
) -> None:
    file = tmp_path / "namespace"
    if in_file is not None:
        file.write_text(in_file)
    monkeypatch.setattr(module, "NAMESPACE_FILE", str(file))
    if namespace:
        assert load_settings([*REQUIRED, "--leader-elect", *options]).lease == (namespace, "kube-ecr-runner")
    else:
        with pytest.raises(SettingsError, match=r"^--leader-elect: needs --lease NAMESPACE/NAME"):
            load_settings([*REQUIRED, "--leader-elect", *options])
    assert load_settings([*REQUIRED, "--leader-elect", *options, "--lease", "a/b"]).lease == ("a", "b")


def test_help_names_each_option_with_its_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        load_settings(["--help"])
    told = " ".join(capsys.readouterr().out.split()).replace("- ", "-")
    assert told.startswith("Usage: kube-ecr-runner [OPTIONS]")
    for setting in fields(Settings):
        option = f"--{setting.name.replace('_', '-')}"
        assert f" {option} " in told
        assert f"env var: {variable(option)}" in told


def test_version_needs_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        load_settings(["--version"])
    assert capsys.readouterr().out.startswith("kube-ecr-runner 1.")


@pytest.mark.parametrize("name", ["KUBE_ECR_HELP", "KUBE_ECR_VERSION"])
def test_no_variable_keeps_the_runner_from_beginning(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "true")
    assert load_settings(REQUIRED) == Settings(WATCHES)
