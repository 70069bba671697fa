"""Login programs (exec plugins) and auth-providers that fail, hang or give nothing, for runner and modules."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kubernetes.client import Configuration

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster import kubernetes_core
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract import login_program as of_collection
from kube_ecr_runner.cluster import kubeconfig
from kube_ecr_runner.cluster.errors import NoClusterError
from kube_ecr_runner.contract import login_program as of_runner
from kube_ecr_runner.contract import renewed_token
from kube_ecr_runner.contract.renewed_token import RenewedToken
from tests.support.cluster.kubeconfig import kubeconfig_of

CANARY = "hunter2"
API = "client.authentication.k8s.io/v1"
Load = Callable[[Path], Callable[[], str]]


def by_modules(path: Path) -> Callable[[], str]:
    return kubernetes_core.load({"kubeconfig": str(path)}).token


def by_runner(path: Path) -> Callable[[], str]:
    return kubeconfig.load(str(path), None).authorization


@pytest.fixture(params=[by_modules, by_runner], ids=["modules", "runner"])
def load(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Read a kubeconfig; return what returns the value of the header Authorization."""
    for each in (of_collection, of_runner):
        monkeypatch.setattr(each, "LIMIT_SECONDS", 3.0)
    monkeypatch.delenv("K8S_AUTH_HOST", raising=False)
    found: Load = request.param
    return found


def program(folder: Path, script: str, **settings: object) -> Path:
    """Write a login program, and a kubeconfig with it."""
    path = folder / "login"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return kubeconfig_of(folder, {"exec": {"apiVersion": API, "command": "./login", **settings}})


def printing(**status: object) -> str:
    credential = {"apiVersion": API, "kind": "ExecCredential", "status": status}
    return f"cat <<'END'\n{json.dumps(credential)}\nEND"


def test_token_of_a_login_program(load: Load, tmp_path: Path) -> None:
    """It gets its arguments and variables, and what is asked of it; its folder is that of the kubeconfig."""
    script = 'echo "$1 $TEAM $PWD $KUBERNETES_EXEC_INFO" >seen\n' + printing(token="t1\n", expirationTimestamp=None)
    env = [{"name": "TEAM", "value": "x"}]
    settings = {"args": ["get"], "env": env, "provideClusterInfo": True, "interactiveMode": "Never"}
    assert load(program(tmp_path, script, **settings))() == "Bearer t1"
    asked, info = (tmp_path / "seen").read_text().split(" {", 1)
    assert asked == f"get x {tmp_path}"
    spec = json.loads("{" + info)["spec"]
    assert spec == {"interactive": False, "cluster": {"server": "http://127.0.0.1:1", "config": None}}


@pytest.mark.parametrize(
    ("script", "settings", "words"),
    [
        (
            "echo 'no session;' >&2; echo 'run sso login' >&2; exit 1",
            {},
            "ended with code 1: no session; run sso login",
        ),
        ("echo hunter2; exit 3", {}, "ended with code 3: it said nothing; run it by hand"),
        ("printf 'Traceback (x):\\n  hunter2\\nError: no net\\n' >&2; exit 1", {}, "ended with code 1: Error: no net"),
        ("kill -9 $$", {}, "was ended by signal 9"),
        ("echo hunter2", {}, "printed no ExecCredential; run it by hand"),
        ("echo '[]'", {}, "printed no ExecCredential"),
        (printing(), {}, "gave neither a token nor a certificate with its key"),
        (printing(clientCertificateData="hunter2"), {}, "gave neither a token nor a certificate with its key"),
        (printing(token="hunter2"), {"apiVersion": "client.authentication.k8s.io/v1beta1"}, "speaks another version"),
        (
            "",
            {"command": "no-such-login", "installHint": "get it at x"},
            "is not there; install it, or correct PATH (get",
        ),
        ("", {"command": "/etc"}, "cannot be started: Permission denied; check its file"),
        ("", {"args": [7]}, "args and env have to be texts; put numbers in quotes"),
        ("", {"env": [{"name": "A", "value": 7}]}, "args and env have to be texts; put numbers in quotes"),
        ("", {"interactiveMode": "Always"}, "wants to ask (interactiveMode: Always), and there is no terminal; "),
        ("", {"command": ""}, "user.exec of the kubeconfig needs command and apiVersion; add what is missing"),
    ],
)
def test_login_program_that_fails_is_named_with_its_error(
    load: Load, tmp_path: Path, script: str, settings: dict, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = program(tmp_path, script, **settings)
    with pytest.raises((KubernetesError, NoClusterError)) as caught:
        load(path)
    text = str(caught.value)
    assert words in text
    assert str(settings.get("command", "./login")) in text
    assert str(path) in text
    assert CANARY not in text
    assert capfd.readouterr().err == ""


def test_login_program_that_hangs_is_ended_with_what_it_started(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (of_collection, of_runner):
        monkeypatch.setattr(each, "LIMIT_SECONDS", 0.3)
    path = program(tmp_path, "sleep 600 & echo $! >child; wait")
    with pytest.raises((KubernetesError, NoClusterError), match=r"login .* did not end within 0\.3 s; run it by hand"):
        load(path)
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not is_running(child):
            break
        time.sleep(0.05)
    assert not is_running(child)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ({"name": "gcp"}, "the auth-provider gcp (user.auth-provider of the kubeconfig) gives no token: let 'gcloud"),
        ({"name": "azure"}, "the auth-provider azure (user.auth-provider of the kubeconfig) gives no token: let 'kube"),
        ({"name": "oidc", "config": {"id-token": "hunter2"}}, "the auth-provider oidc "),
        ({"name": "oidc", "config": {"id-token": "a.hunter2.c"}}, "the auth-provider oidc "),
        ({"name": "oidc"}, "the auth-provider oidc (user.auth-provider of the kubeconfig) gives no token: check idp-"),
        ({"name": "hunter2"}, "the auth-provider (user.auth-provider of the kubeconfig) gives no token: use an exec"),
        ("hunter2", "the auth-provider (user.auth-provider of the kubeconfig) gives no token: use an exec plugin"),
    ],
)
def test_auth_provider_that_gives_no_token_is_named(load: Load, tmp_path: Path, provider: object, words: str) -> None:
    with pytest.raises((KubernetesError, NoClusterError)) as caught:
        load(kubeconfig_of(tmp_path, {"auth-provider": provider}))
    assert words in str(caught.value)
    assert CANARY not in str(caught.value)


def test_auth_provider_that_hangs_is_not_waited_for(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (of_collection, of_runner):
        monkeypatch.setattr(each, "LIMIT_SECONDS", 0.2)
    config = {"cmd-path": "/bin/sleep", "cmd-args": "20"}
    with pytest.raises((KubernetesError, NoClusterError), match=r"auth-provider .* did not end within 0\.2 s; "):
        load(kubeconfig_of(tmp_path, {"auth-provider": {"name": "gcp", "config": config}}))


def test_auth_provider_beside_another_login_counts_no_more_than_before(load: Load, tmp_path: Path) -> None:
    assert load(kubeconfig_of(tmp_path, {"auth-provider": {"name": "azure"}, "token": "t"}))() == "Bearer t"


def test_version_of_the_client_that_sends_no_token_is_recognised(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kubeconfig_of(tmp_path, {"token": CANARY})
    monkeypatch.setattr(Configuration, "auth_settings", lambda _: {})
    with pytest.raises((KubernetesError, NoClusterError), match=r"does not send the token, .*36\.0\.0") as caught:
        load(path)
    assert CANARY not in str(caught.value)


# A token that is renewed while requests are made


def test_token_that_cannot_be_renewed_lives_on_and_why_is_known() -> None:
    outcomes = iter(["two", ValueError(CANARY), "three"])

    def read() -> str:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    token = RenewedToken(read, lambda error: type(error).__name__, "one")
    assert (token(), token.trouble) == ("two", "")
    assert (token(), token.trouble) == ("two", "ValueError")
    assert (token(), token.trouble) == ("two", "ValueError"), "it is not tried again at once"
    token._again_at = 0.0
    assert (token(), token.trouble) == ("three", "")


def test_no_request_waits_for_a_renewal_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewed_token, "PATIENCE_SECONDS", 0.05)
    goes_on, calls = threading.Event(), []

    def read() -> str:
        calls.append(1)
        goes_on.wait(30)
        return "two"

    token = RenewedToken(read, str, "one")
    assert [token(), token(), token()] == ["one"] * 3
    assert len(calls) == 1
    goes_on.set()
    assert token._is_idle.wait(30)
    assert token() == "two"
