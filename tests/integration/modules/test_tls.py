"""TLS as kubectl has it, in the runner and in the modules alike: what is let in, what is refused, and in which words.

All certificates are without key identifiers, as those of EKS, which Python 3.13 refuses if nobody tells it otherwise.
"""

from __future__ import annotations

import base64
import datetime
import json
import os
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster import client
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError as ModuleError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_token import FEATURE
from kube_ecr_runner.cluster import client as kube
from kube_ecr_runner.cluster import sources
from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.contract.kinds import NAMESPACED_KIND
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.api_proxy import APIProxy
from tests.support.cluster.http_proxy import HTTPProxy
from tests.support.cluster.objects import NAMESPACED, Cluster, keys_secret, pull_secret
from tests.support.cluster.pki import CertificateAuthority, KeyPair, self_signed
from tests.support.cluster.pod import Pod
from tests.support.cluster.tls_front import TLSFront
from tests.support.harness.ansible import Ansible

pytestmark = pytest.mark.usefixtures("own_files")
HOST = "127.0.0.1"
CANARY = "canary"
DAY = datetime.timedelta(days=1)
CA = CertificateAuthority("kubernetes", has_identifiers=False)
NAMESAKE = CertificateAuthority("kubernetes", has_identifiers=False)
OTHER = CertificateAuthority("other", has_identifiers=False)
INTERMEDIATE = CertificateAuthority("intermediate", has_identifiers=False, issuer=CA)
SERVER = CA.server("api", [HOST])
NAMED = CA.server("api", ["kubernetes"])
BELOW = INTERMEDIATE.server("api", [HOST])
SELF_SIGNED = self_signed("api", [HOST])
ALONE = OTHER.server("alone", [HOST])
NO_ISSUER = "unable to get local issuer certificate; the CA of the server has to be in {ca}; if a proxy answers"

List = Callable[[Path | None], list[dict]]


def list_as_runner(kubeconfig: Path | None) -> list[dict]:
    cluster = kube.Cluster.connect(str(kubeconfig) if kubeconfig else None, None, silence=90)
    return [each for page in cluster.list_pages(sources.resources_of(NAMESPACED_KIND)) for each in page["items"]]


def list_as_module(kubeconfig: Path | None) -> list[dict]:
    client._connect.cache_clear()
    return list(client.connect({"kubeconfig": str(kubeconfig)} if kubeconfig else {}).list_resources(NAMESPACED))


@pytest.fixture(params=[list_as_runner, list_as_module])
def list_resources(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> List:
    """What lists the custom resources, as the runner does it and as the modules do, in an environment of no proxy."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    listing: List = request.param
    return listing


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


def kubeconfig(path: Path, server: str, ca: bytes | None, pair: KeyPair | None = None, **cluster: object) -> Path:
    authority = {"certificate-authority-data": base64.b64encode(ca).decode()} if ca is not None else {}
    parts = {"client-certificate-data": pair.public, "client-key-data": pair.key} if pair else {}
    config = {
        "clusters": [{"name": "it", "cluster": {"server": server, **authority, **cluster}}],
        "users": [{"name": "it", "user": {name: base64.b64encode(part).decode() for name, part in parts.items()}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    path.write_text(json.dumps(config))
    return path


def told(list_resources: List, path: Path | None, server: str, ca: str = "") -> str:
    """Return what is said of a connection that is refused, behind its beginning, which names the API server.

    Where it is said instead that the certificate of {ca} is missing, that is what the text calls it.
    """
    with pytest.raises((KubernetesError, ModuleError)) as caught:
        list_resources(path)
    is_runner = list_resources is list_as_runner
    text = caught.value.text.replace("the API server ", "")
    assert CANARY not in text
    in_file = f"certificate-authority in {path}" if is_runner else "ca_cert, or certificate-authority in the kubeconfig"
    return text.replace(ca or in_file, "{ca}").removeprefix(f"the TLS connection to {server} failed: ")


@pytest.mark.parametrize(
    ("pair", "chain", "ca", "settings"),
    [
        pytest.param(SERVER, b"", CA.pem, {}, id="no key identifiers"),
        pytest.param(SERVER, b"", OTHER.pem + CA.pem, {}, id="bundle"),
        pytest.param(BELOW, INTERMEDIATE.pem, CA.pem, {}, id="intermediate is sent"),
        pytest.param(BELOW, b"", INTERMEDIATE.pem, {}, id="intermediate is trusted"),
        pytest.param(BELOW, INTERMEDIATE.pem, INTERMEDIATE.pem, {}, id="intermediate is trusted and sent"),
        pytest.param(ALONE, b"", ALONE.public, {}, id="server is trusted"),
        pytest.param(SELF_SIGNED, b"", SELF_SIGNED.public, {}, id="self-signed is trusted"),
        pytest.param(NAMED, b"", CA.pem, {"tls-server-name": "kubernetes"}, id="tls-server-name"),
        pytest.param(
            ALONE,
            b"",
            None,
            {"insecure-skip-tls-verify": True},
            id="insecure-skip-tls-verify",
            marks=pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"),
        ),
    ],
)
def test_what_kubectl_accepts_is_accepted(
    proxy: APIProxy,
    tmp_path: Path,
    list_resources: List,
    pair: KeyPair,
    chain: bytes,
    ca: bytes | None,
    settings: dict[str, object],
) -> None:
    with TLSFront(port_of(proxy.url), pair, chain) as front:
        assert list_resources(kubeconfig(tmp_path / "kubeconfig", front.url, ca, **settings)) == []
    assert proxy.count("GET", "awsecrimagepullsecrets") == 1


@pytest.mark.parametrize(
    ("pair", "ca", "host", "cause"),
    [
        pytest.param(SERVER, OTHER.pem, HOST, NO_ISSUER, id="another CA"),
        pytest.param(SERVER, None, HOST, NO_ISSUER, id="public CAs"),
        pytest.param(BELOW, CA.pem, HOST, NO_ISSUER, id="intermediate is nowhere"),
        pytest.param(
            SERVER,
            NAMESAKE.pem,
            HOST,
            "certificate signature failure; a CA of this name is in {ca}, with",
            id="namesake",
        ),
        pytest.param(
            SELF_SIGNED,
            CA.pem,
            HOST,
            "self-signed certificate; the CA of the server has to be in {ca};",
            id="self-signed",
        ),
        pytest.param(
            SERVER,
            CA.pem,
            "localhost",
            "Hostname mismatch, certificate is not valid for 'localhost'; the certificate of the server has to be for",
            id="name",
        ),
        pytest.param(
            NAMED,
            CA.pem,
            HOST,
            "IP address mismatch, certificate is not valid for '127.0.0.1'; the certificate of the server has to be",
            id="address",
        ),
        pytest.param(
            CA.server("api", [HOST], age=400 * DAY),
            CA.pem,
            HOST,
            "certificate has expired; check the dates of the certificates of the server and its CA, and the clock",
            id="expired",
        ),
        pytest.param(
            CA.server("api", [HOST], age=-DAY),
            CA.pem,
            HOST,
            "certificate is not yet valid; check the dates",
            id="early",
        ),
    ],
)
def test_what_is_refused_names_host_cause_and_remedy(
    proxy: APIProxy, tmp_path: Path, list_resources: List, pair: KeyPair, ca: bytes | None, host: str, cause: str
) -> None:
    with TLSFront(port_of(proxy.url), pair) as front:
        server = front.url.replace(HOST, host)
        assert told(list_resources, kubeconfig(tmp_path / "kubeconfig", server, ca), server).startswith(cause)
    assert not proxy.requests


@pytest.fixture
def in_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pod]:
    """A pod without the address of the API server."""
    pod = Pod(tmp_path, monkeypatch)
    pod.token.write_text("token")
    yield pod
    client._connect.cache_clear()


def test_in_a_pod_the_ca_of_the_service_account_counts(proxy: APIProxy, list_resources: List, in_pod: Pod) -> None:
    with TLSFront(port_of(proxy.url), SERVER) as front:
        in_pod.reach(front.url)
        in_pod.ca.write_bytes(CA.pem)
        assert list_resources(None) == []
        in_pod.ca.write_bytes(OTHER.pem)
        assert told(list_resources, None, front.url, str(in_pod.ca)).startswith(NO_ISSUER)


def test_the_runner_follows_when_the_cluster_gets_another_ca(proxy: APIProxy, in_pod: Pod) -> None:
    in_pod.ca.write_bytes(CA.pem)
    source = sources.resources_of(NAMESPACED_KIND)
    with TLSFront(port_of(proxy.url), SERVER) as front:
        in_pod.reach(front.url)
        cluster = kube.Cluster.connect(None, None, silence=90)
        assert next(cluster.list_pages(source))["items"] == []
        front.present(ALONE)
        cluster._access.pool.clear()  # as when the API server ends connections
        with pytest.raises(KubernetesError, match="unable to get local issuer certificate"):
            next(cluster.list_pages(source))
        in_pod.ca.write_bytes(CA.pem + OTHER.pem)
        assert next(cluster.list_pages(source))["items"] == []


@pytest.mark.slow
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_needs_no_key_identifiers_either(
    proxy: APIProxy, tmp_path: Path, list_resources: List, version: ssl.TLSVersion
) -> None:
    path = tmp_path / "kubeconfig"
    with TLSFront(port_of(proxy.url), SERVER, client_ca=CA.pem) as front:
        front.context.maximum_version = version
        assert list_resources(kubeconfig(path, front.url, CA.pem, CA.client("me"))) == []
        assert len(front.clients) == 1
        for pair in (None, OTHER.client("me")):
            words = told(list_resources, kubeconfig(path, front.url, CA.pem, pair), front.url)
            assert words.startswith("the server refused (")
            assert words.endswith("); check what answers, and whether it wants a client certificate")


def test_what_cannot_be_read_is_told_without_its_content(tmp_path: Path, list_resources: List) -> None:
    mixed = KeyPair(OTHER.client("me").key, CA.client("me").public)
    path, server = tmp_path / "kubeconfig", "https://127.0.0.1:9"
    for ca, pair, words in ((CANARY.encode(), None, "no certificate or crl found"), (CA.pem, mixed, "key values mism")):
        text = told(list_resources, kubeconfig(path, server, ca, pair), server)
        assert text.startswith(f"a certificate or key cannot be read ({words}")


@pytest.fixture
def answer() -> Iterator[tuple[str, list[bytes | None]]]:
    """The URL of a server, and what it answers to the first bytes of a client before it ends the connection.

    With None it resets the connection.
    """
    answers: list[bytes | None] = [b""]

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    if answers[0] is None:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    else:
                        connection.sendall(answers[0])

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://{HOST}:{listener.getsockname()[1]}", answers
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers does not speak TLS (wrong version number); check scheme"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "the server offers no version of TLS from 1.2 on (tlsv1 alert protocol ver"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "the server refused (sslv3 alert handshake failure); check what answers"),
        (b"", "the other side ended the connection during the handshake; check what answers, and proxies on the way"),
        (
            None,
            "no connection to {server}: it was closed without an answer; check what answers, and proxies on the way",
        ),
    ],
    ids=["plain HTTP", "version", "alert", "end", "reset"],
)
def test_what_speaks_no_tls_is_told_from_what_breaks_off(
    answer: tuple[str, list[bytes | None]], tmp_path: Path, list_resources: List, said: bytes | None, words: str
) -> None:
    server, answers = answer
    answers[0] = said
    text = told(list_resources, kubeconfig(tmp_path / "kubeconfig", server, CA.pem), server)
    assert text.startswith(words.format(server=server))


def test_a_proxy_may_speak_tls_with_such_a_certificate(proxy: APIProxy, tmp_path: Path, list_resources: List) -> None:
    path = tmp_path / "kubeconfig"
    with HTTPProxy() as plain, TLSFront(port_of(proxy.url), SERVER) as front:
        with TLSFront(port_of(plain.url), SERVER) as way:
            assert list_resources(kubeconfig(path, front.url, CA.pem, **{"proxy-url": way.url})) == []
        assert plain.passed == [("CONNECT", front.url.removeprefix("https://"))]
        with TLSFront(port_of(plain.url), ALONE) as way:
            url = way.url.replace("https://", f"https://user:{CANARY}@")
            text = told(list_resources, kubeconfig(path, front.url, CA.pem, **{"proxy-url": url}), front.url)
        failed = f"the TLS connection to the proxy {way_url(url)} failed: "
        assert text.startswith(f"{failed}unable to get local issuer certificate; the CA of the server has to be in")
        text = told(list_resources, kubeconfig(path, front.url, OTHER.pem, **{"proxy-url": plain.url}), front.url)
        assert text.startswith(NO_ISSUER)
    text = told(
        list_resources, kubeconfig(path, front_url := "https://127.0.0.1:9", CA.pem, **{"proxy-url": url}), front_url
    )
    assert text.startswith(f"the proxy {way_url(url)} gives no connection; check HTTPS_PROXY and NO_PROXY")


def way_url(url: str) -> str:
    return url.replace(f"user:{CANARY}@", "")


@pytest.mark.skipif(sys.version_info < (3, 13), reason="no context is strict before")
def test_an_identity_provider_that_the_official_client_refuses_is_told(tmp_path: Path, list_resources: List) -> None:
    """It is asked with a context of the client's own, which no setting makes less strict (kubernetes 37)."""
    path = kubeconfig(tmp_path / "kubeconfig", "https://127.0.0.1:9", CA.pem)
    config = json.loads(path.read_text())
    claims = base64.urlsafe_b64encode(b'{"exp": 1, "sub": "me"}').decode().rstrip("=")
    with TLSFront(9, SERVER) as front:
        provider = {
            "client-id": "me",
            "id-token": f"e30.{claims}.x",
            "refresh-token": CANARY,
            "idp-issuer-url": front.url,
            "idp-certificate-authority-data": base64.b64encode(CA.pem).decode(),
        }
        config["users"][0]["user"] = {"auth-provider": {"name": "oidc", "config": provider}}
        path.write_text(json.dumps(config))
        text = told(list_resources, path, front.url)
    told_of = "the auth-provider oidc (user.auth-provider of the kubeconfig) gives no token: "
    assert text.startswith(f"{told_of}Missing Authority Key Identifier; Python 3.13 and newer check that here")


@pytest.mark.parametrize("is_oldest", [False, True], ids=["newest", "oldest"])
def test_a_playbook_reaches_api_server_and_aws(
    ansible: Ansible,
    cluster: Cluster,
    proxy: APIProxy,
    aws: AWSEndpoint,
    principal: Principal,
    tmp_path: Path,
    is_oldest: bool,
) -> None:
    """Inventory, lookup (of the keys in a Secret) and modules, by way of a CA of a company for AWS."""
    (own,) = cluster.namespaces("own")
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(keys_secret("keys", own, principal)))
    cluster.create(pull_secret("app", None, namespace=own, credentialsSecretRef={"name": "keys"}))
    commands = ansible.oldest() if is_oldest else ansible
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(OTHER.pem)
    with TLSFront(port_of(proxy.url), SERVER) as front, TLSFront(port_of(aws.url), ALONE) as endpoint:
        path = kubeconfig(tmp_path / "kubeconfig", front.url, CA.pem)
        run = commands.reconcile(
            K8S_AUTH_KUBECONFIG=str(path), KUBE_ECR_AWS_ENDPOINT_URL=endpoint.url, AWS_CA_BUNDLE=str(bundle)
        )
    assert run.status == 0, run.output
    assert cluster.secret(own)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ca", "host", "cause"),
    [
        (
            CA.pem,
            HOST,
            "unable to get local issuer certificate; the CA of the server has to be in the file that AWS_CA_",
        ),
        (
            OTHER.pem,
            "localhost",
            "Hostname mismatch; the certificate of the server has to be for the name or address in",
        ),
        (OTHER.pem, HOST, ""),
    ],
    ids=["CA", "name", "accepted"],
)
def test_a_ca_of_a_company_counts_for_aws(
    aws: AWSEndpoint,
    principal: Principal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ca: bytes,
    host: str,
    cause: str,
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(ca)
    for name in [name for name in os.environ if name.upper().endswith("_PROXY")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    keys = {"access_key": principal.access_key, "secret_key": principal.secret_key, "region": "eu-west-1"}
    with TLSFront(port_of(aws.url), ALONE) as endpoint:
        url = endpoint.url.replace(HOST, host)
        options = dict.fromkeys(FEATURE.argument_spec) | keys | {"endpoint_url": url, "role_session_name": "test"}
        errors = FEATURE.run(options, False, False)["errors"]
    place = f"AWS ECR GetAuthorizationToken in eu-west-1 at {url}: CertificateNotTrusted: "
    assert [each["msg"].startswith(place + cause) for each in errors] == ([True] if cause else [])
