"""The runner where the certificates of the API server have no key identifiers, as on EKS; Python 3.13 refuses those."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.aws.endpoint import Principal
from tests.support.cluster.api_proxy import APIProxy
from tests.support.cluster.objects import NAMESPACED, Cluster, pull_secret
from tests.support.cluster.pki import CertificateAuthority
from tests.support.cluster.tls_front import TLSFront
from tests.support.harness.ansible import Ansible
from tests.support.harness.runner import Runner, run_once

CA = CertificateAuthority("kubernetes", has_identifiers=False)


@pytest.fixture
def front(proxy: APIProxy) -> Iterator[TLSFront]:
    """The API server behind such a certificate."""
    with TLSFront(urlsplit(proxy.url).port or 0, CA.server("kube-apiserver", ["127.0.0.1"])) as front:
        yield front


def kubeconfig(path: Path, front: TLSFront, proxy: APIProxy, ca: CertificateAuthority) -> str:
    config = json.loads(proxy.kubeconfig.read_text())
    data = base64.b64encode(ca.pem).decode()
    config["clusters"][0]["cluster"] = {"server": front.url, "certificate-authority-data": data}
    path.write_text(json.dumps(config))
    return str(path)


def test_all_of_its_calls_pass(
    cluster: Cluster,
    principal: Principal,
    proxy: APIProxy,
    front: TLSFront,
    start: Callable[..., Runner],
    tmp_path: Path,
) -> None:
    own, home = cluster.namespaces("own", "home")
    options = ("--leader-elect", "--lease", f"{home}/runner")
    path = kubeconfig(tmp_path / "kubeconfig", front, proxy, CA)
    cluster.create(pull_secret("app", principal, namespace=own))
    runner = start(*options, K8S_AUTH_KUBECONFIG=path)
    cluster.wait_ready(NAMESPACED, "app", own)
    cluster.wait(lambda: "SecretCreationSuccess" in dict(cluster.events("app")), "an event tells")
    assert cluster.secret(own)
    assert "became leader" in runner.log
    for method, call in (("GET", "watch=true"), ("PUT|POST", "leases"), ("PATCH", "/status"), ("POST", "/events")):
        # The proxy notes a call when it has been answered.
        cluster.wait(partial(proxy.count, method, call), f"{call} was asked for")
    assert "TLS" not in runner.log


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--once",), ("--once", "--dry-run")], ids=["once", "dry run"])
def test_a_single_pass_serves_or_says_why_not(
    ansible: Ansible,
    cluster: Cluster,
    principal: Principal,
    proxy: APIProxy,
    front: TLSFront,
    tmp_path: Path,
    options: tuple[str, ...],
) -> None:
    (own,) = cluster.namespaces("own")
    cluster.create(pull_secret("app", principal, namespace=own))
    other = CertificateAuthority("other", has_identifiers=False)
    path = kubeconfig(tmp_path / "other", front, proxy, other)
    done = run_once(ansible, *options, K8S_AUTH_KUBECONFIG=path)
    assert done.returncode == 1
    assert f"the TLS connection to the API server {front.url} failed: unable to get local issuer cert" in done.stderr
    assert f"; the CA of the server has to be in certificate-authority in {path}; if a proxy answers" in done.stderr
    assert "internal error" not in done.stderr
    assert not cluster.secret(own)
    done = run_once(ansible, *options, K8S_AUTH_KUBECONFIG=kubeconfig(tmp_path / "right", front, proxy, CA))
    assert done.returncode == 0, done.stderr
    assert bool(cluster.secret(own)) == ("--dry-run" not in options)
