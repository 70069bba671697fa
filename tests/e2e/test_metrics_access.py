"""Metrics with TLS, shown to those whom the API server lets get them: tokens, roles and reviews are real."""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kube_ecr_runner.cluster.client import Cluster as Connection
from kube_ecr_runner.telemetry.authorization import ALLOWED_SECONDS, Authorization
from tests.support.aws.json_web_token import json_web_token
from tests.support.cluster.api_proxy import APIProxy, How
from tests.support.cluster.objects import Cluster
from tests.support.cluster.pki import CertificateAuthority
from tests.support.harness.ansible import Ansible
from tests.support.harness.helm import Release
from tests.support.harness.runner import Runner

CA = CertificateAuthority("metrics")
SECURE = ("--metrics-secure", "--metrics-bind-address", "127.0.0.1:0")


@pytest.fixture
def accounts(cluster: Cluster) -> str:
    """A namespace with the service accounts `prometheus` and `stranger`."""
    (namespace,) = cluster.namespaces("monitoring")
    for name in ("prometheus", "stranger"):
        cluster.kubectl("create", "serviceaccount", name, "-n", namespace)
    return namespace


@pytest.fixture
def reader(cluster: Cluster) -> Iterator[str]:
    """A ClusterRole that may read metrics, for tests without the chart."""
    cluster.kubectl("create", "clusterrole", "reader", "--verb=get", "--non-resource-url=/metrics")
    yield "reader"
    cluster.kubectl("delete", "clusterrole", "reader")


@pytest.fixture
def bind(cluster: Cluster, accounts: str) -> Iterator[Callable[[str], str]]:
    """Lets the account `prometheus` have a ClusterRole, and returns the name of the binding."""
    account = f"--serviceaccount={accounts}:prometheus"

    def bind(role: str) -> str:
        cluster.kubectl("create", "clusterrolebinding", "prometheus", f"--clusterrole={role}", account)
        return "prometheus"

    yield bind
    cluster.kubectl("delete", "clusterrolebinding", "prometheus", "--ignore-not-found")


@pytest.fixture
def release(cluster: Cluster) -> Iterator[Release]:
    """A release that is not installed yet, and uninstalled afterwards."""
    (namespace,) = cluster.namespaces("kube-ecr")
    release = Release(cluster.plane, namespace)
    yield release
    release.uninstall()


def token(cluster: Cluster, namespace: str, name: str, *options: str) -> str:
    return cluster.kubectl("create", "token", name, "-n", namespace, *options).strip()


def expired(cluster: Cluster, good: str) -> str:
    """Return a token that the API server itself could have signed, but for its time."""
    payload = good.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    (path,) = cluster.plane.directory.rglob("sa.key")
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert status_of(cluster, json_web_token(key, **claims)), "it signs as the API server does"
    return json_web_token(key, **claims | {"exp": claims["iat"] - 60, "nbf": claims["iat"] - 660})


def status_of(cluster: Cluster, shown: str) -> bool:
    connection = Connection.connect(str(cluster.kubeconfig), None, silence=90)
    return connection.reviews().user_of(shown) is not None


def wait_for(cluster: Cluster, runner: Runner) -> None:
    cluster.wait(lambda: " started " in runner.log, "the runner listens", timeout=120)


def scrape(runner: Runner, shown: str = "", ca: CertificateAuthority | None = None) -> tuple[int, str]:
    """Ask for the metrics as Prometheus does; without a CA the certificate is not verified."""
    ((host, port),) = re.findall(r"metrics=https://([\d.]+):(\d+)/metrics", runner.log)
    if ca:
        context = ssl.create_default_context(cadata=ca.pem.decode())
    else:
        context = ssl._create_unverified_context()  # noqa: S323 (as insecureSkipVerify)
    with closing(http.client.HTTPSConnection(host, int(port), timeout=30, context=context)) as connection:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {shown}"} if shown else {})
        answer = connection.getresponse()
        assert (answer.headers.get("WWW-Authenticate") == "Bearer") == (answer.status == 401)
        return answer.status, answer.read().decode()


@pytest.mark.usefixtures("own_files")
def test_the_chart_lets_those_read_who_have_its_role_and_nobody_else(
    cluster: Cluster,
    accounts: str,
    release: Release,
    bind: Callable[[str], str],
    ansible: Ansible,
    tmp_path: Path,
) -> None:
    """The runner has the rights of the chart alone, with namespaces of its own, and makes its certificate itself."""
    home = release.namespace
    metrics = {"secure": True, "authorization": {"enabled": True}}
    env = [{"name": "KUBE_ECR_METRICS_BIND_ADDRESS", "value": "127.0.0.1:0"}]
    values = {"crds": {"enabled": False}, "metrics": metrics, "watchNamespaces": [home], "extraEnv": env}
    said = release.upgrade({**values, "runner": {"logLevel": "debug", "standBy": False}})
    role = f"{home}:kube-ecr-runner-metrics-reader"
    assert f"--clusterrole={role}" in said
    bind(role)
    good = token(cluster, accounts, "prometheus")
    shown = {
        "good": good,
        "without the role": token(cluster, accounts, "stranger"),
        "for others": token(cluster, accounts, "prometheus", "--audience=https://vault.example.com"),
        "expired": expired(cluster, good),
        "forged": f"{good[:-6]}AAAAAA",
        "none of all": "canary-token",
        "none": "",
    }
    # pytest's paths are too long for sockets.
    with (
        tempfile.TemporaryDirectory() as temporary,
        release.runner(ansible, tmp_path / "runner.log", Path(temporary)) as runner,
    ):
        wait_for(cluster, runner)
        answers = {name: scrape(runner, each) for name, each in shown.items()}
        status, text = runner.ask("/metrics")
        assert runner.ask("/healthz")[0] == 200
    assert {name: answer[0] for name, answer in answers.items()} == {
        "good": 200,
        "without the role": 403,
        "for others": 401,
        "expired": 401,
        "forged": 401,
        "none of all": 401,
        "none": 401,
    }
    assert "kube_ecr_build_info" in answers["good"][1]
    who = f"system:serviceaccount:{accounts}:stranger may not get the nonResourceURL /metrics"
    assert answers["without the role"][1].startswith(who)
    assert not [name for name, answer in answers.items() if name != "good" and "kube_ecr_build_info" in answer[1]]
    assert (status, text) == (404, "there are /healthz and /readyz\n"), "not over plain HTTP, either"
    assert who in runner.log
    told = runner.log + "".join(answer[1] for answer in answers.values())
    parts = {part for each in shown.values() for part in each.split(".") if len(part) > 8}
    assert not [part for part in parts if part in told], "no token, and no part of one, is told"


@pytest.mark.slow
def test_an_api_server_that_is_down_lets_nobody_in_and_a_new_certificate_counts_at_once(
    cluster: Cluster,
    accounts: str,
    reader: str,
    bind: Callable[[str], str],
    proxy: APIProxy,
    start: Callable[..., Runner],
    tmp_path: Path,
) -> None:
    def write(name: str) -> None:
        pair = CA.server(name, ["127.0.0.1"])
        (tmp_path / "tls.key").write_bytes(pair.key)
        (tmp_path / "tls.crt").write_bytes(pair.public)

    bind(reader)
    first, second, third = (token(cluster, accounts, "prometheus") for _ in range(3))
    assert len({first, second, third}) == 3
    write("first")
    options = (*SECURE, "--metrics-cert-path", str(tmp_path), "--metrics-require-rbac", "--log-level", "debug")
    runner = start(*options, K8S_AUTH_KUBECONFIG=str(proxy.kubeconfig))
    wait_for(cluster, runner)
    assert scrape(runner, first, CA)[0] == 200
    reviews = proxy.count("POST", "reviews")
    assert reviews == 2
    write("second")
    assert scrape(runner, first, CA)[0] == 200
    assert "read the new certificate of the metrics" in runner.log
    assert proxy.count("POST", "reviews") == reviews, "it is remembered who that is"
    proxy.fault(How.HANG, path="tokenreviews")
    assert scrape(runner, second, CA)[0] == 503, "each call has an end"
    proxy.stop()
    assert scrape(runner, second, CA) == (503, "the API server cannot be asked who you are; see the log\n")
    assert scrape(runner, first, CA)[0] == 200, "what it said counts for a minute"
    assert runner.ask("/healthz")[0] == 200
    proxy.start()
    assert [scrape(runner, each, CA)[0] for each in (second, third)] == [200, 200]
    assert "can tell again who may read the metrics" in runner.log
    assert not [part for each in (first, second, third) for part in each.split(".") if part in runner.log]


@pytest.mark.usefixtures("own_files")
def test_a_binding_that_is_removed_counts_until_the_answer_is_forgotten(
    cluster: Cluster, accounts: str, reader: str, bind: Callable[[str], str]
) -> None:
    now = 0.0
    connection = Connection.connect(str(cluster.kubeconfig), None, silence=90)
    authorization = Authorization(connection.reviews(), lambda: now)
    header = f"Bearer {token(cluster, accounts, 'prometheus')}"

    def is_refused() -> bool:
        return authorization.refusal(header) is not None

    binding = bind(reader)
    reviewed = connection.reviews().user_of(header.removeprefix("Bearer "))
    assert reviewed
    assert "system:authenticated" in reviewed.groups
    cluster.wait(lambda: connection.reviews().may_get(reviewed, "/metrics"), "the role is bound")
    assert not is_refused()
    cluster.kubectl("delete", "clusterrolebinding", binding)
    cluster.wait(lambda: not connection.reviews().may_get(reviewed, "/metrics"), "the role is not bound any more")
    now = ALLOWED_SECONDS - 1
    assert not is_refused()
    now = ALLOWED_SECONDS
    assert is_refused()
