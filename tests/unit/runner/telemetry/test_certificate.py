"""The port for metrics with TLS, over real sockets: its certificate from files or its own, and clients of all kinds."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from cryptography import x509

from kube_ecr_runner.model.address import Address
from kube_ecr_runner.telemetry import web
from kube_ecr_runner.telemetry.application import Application
from kube_ecr_runner.telemetry.certificate import LIFE, Certificate, CertificateError, CertificateFiles, OwnCertificate
from kube_ecr_runner.telemetry.metrics import Metrics
from kube_ecr_runner.telemetry.pages import metrics_pages
from kube_ecr_runner.telemetry.web import Listener
from tests.support.cluster.pki import CertificateAuthority, KeyPair
from tests.unit.runner.telemetry.slow_client import is_cut_off

SECONDS = 10.0
CA = CertificateAuthority("ca")
FIRST, SECOND, THIRD = (CA.server(name, ["localhost", "127.0.0.1"]) for name in ("first", "second", "third"))


class Mount:
    """A Secret that kubelet has mounted: files are links through `..data`, which it moves to a new folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._number = 0
        self.write(FIRST.public, FIRST.key)
        for name in ("tls.crt", "tls.key"):
            (folder / name).symlink_to(f"..data/{name}")

    def write(self, certificate: bytes, key: bytes) -> None:
        """Replace both at once, as kubelet does."""
        self._number += 1
        new = self.folder / f"..{self._number}"
        new.mkdir()
        (new / "tls.crt").write_bytes(certificate)
        (new / "tls.key").write_bytes(key)
        link = self.folder / "..new"
        link.symlink_to(new.name)
        link.rename(self.folder / "..data")


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path)


def serve(certificate: Certificate) -> Listener:
    return Listener(Address("127.0.0.1", 0), Application(metrics_pages(Metrics())), "", certificate)


@pytest.fixture
def port(mount: Mount) -> Iterator[int]:
    with serve(CertificateFiles(mount.folder)) as listener:
        yield listener.address.port


def trusting(*pems: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=b"".join(pems).decode())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def subject(port: int, context: ssl.SSLContext) -> str:
    """Return whom the certificate is for that a client gets, and has verified."""
    with context.wrap_socket(
        socket.create_connection(("127.0.0.1", port), SECONDS), server_hostname="localhost"
    ) as tls:
        der = tls.getpeercert(binary_form=True)
    assert der
    return x509.load_der_x509_certificate(der).subject.rfc4514_string().removeprefix("CN=")


def get(port: int, context: ssl.SSLContext, path: str = "/metrics") -> tuple[int, str]:
    with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=context)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_metrics_are_all_that_is_served_there(port: int) -> None:
    status, text = get(port, trusting(CA.pem))
    assert status == 200
    assert "kube_ecr_leader 1.0" in text
    for path in ("/healthz", "/"):
        assert get(port, trusting(CA.pem), path) == (404, "there is /metrics\n")


def test_certificate_that_was_replaced_counts_from_the_next_connection_on(
    port: int, mount: Mount, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="kube_ecr_runner")
    client = trusting(CA.pem)
    assert [subject(port, client) for _ in range(2)] == ["first", "first"]
    mount.write(SECOND.public, SECOND.key)
    assert [subject(port, client) for _ in range(2)] == ["second", "second"]
    # Not as kubelet does it: in place, one after the other.
    (mount.folder / "tls.crt").write_bytes(THIRD.public)
    assert subject(port, client) == "second"
    (mount.folder / "tls.key").write_bytes(THIRD.key)
    assert subject(port, client) == "third"
    kept = "cannot use the new certificate of the metrics, keeping the old one"
    read = "read the new certificate of the metrics"
    assert [each.message for each in caplog.records] == [read, kept, read]


@pytest.mark.parametrize(
    ("certificate", "key", "cause"),
    [
        (SECOND.public, THIRD.key, "key values mismatch"),
        (SECOND.public, SECOND.key[:-60], "the certificate or the key cannot be read"),
        (SECOND.public[:200], SECOND.key, "the certificate or the key cannot be read"),
        (b"", b"", "the certificate or the key cannot be read"),
    ],
    ids=["another key", "half a key", "half a certificate", "empty"],
)
def test_pair_that_cannot_be_used_never_takes_the_place_of_one_that_can(
    port: int, mount: Mount, caplog: pytest.LogCaptureFixture, certificate: bytes, key: bytes, cause: str
) -> None:
    mount.write(certificate, key)
    assert [subject(port, trusting(CA.pem)) for _ in range(3)] == ["first"] * 3
    (record,) = caplog.records
    assert record.fields == {"cause": f"{mount.folder}: {cause}"}  # type: ignore[attr-defined]
    mount.write(THIRD.public, THIRD.key)
    assert subject(port, trusting(CA.pem)) == "third"


def test_files_that_are_gone_are_missed_once(port: int, mount: Mount, caplog: pytest.LogCaptureFixture) -> None:
    link = mount.folder / "..data"
    link.rename(mount.folder / "away")
    assert [subject(port, trusting(CA.pem)) for _ in range(2)] == ["first"] * 2
    assert len(caplog.records) == 1
    (mount.folder / "away").rename(link)
    assert subject(port, trusting(CA.pem)) == "first"
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("pair", "cause"),
    [
        (KeyPair(FIRST.key, SECOND.public), "key values mismatch"),
        (KeyPair(b"", SECOND.public), "the certificate or the key cannot be read"),
        (None, "tls.crt: No such file or directory"),
    ],
    ids=["another key", "no key", "no files"],
)
def test_without_a_certificate_it_does_not_begin(tmp_path: Path, pair: KeyPair | None, cause: str) -> None:
    if pair:
        (tmp_path / "tls.crt").write_bytes(pair.public)
        (tmp_path / "tls.key").write_bytes(pair.key)
    with pytest.raises(CertificateError, match=rf"^--metrics-cert-path: .*{cause}; the folder has to hold"):
        CertificateFiles(tmp_path)


def test_own_certificate_is_in_no_file_and_is_made_anew_before_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    descriptors = set(Path("/proc/self/fd").iterdir())
    now = [time.time()]
    certificate = OwnCertificate(lambda: now[0])
    assert set(Path("/proc/self/fd").iterdir()) == descriptors
    assert list(tmp_path.iterdir()) == []
    with serve(certificate) as listener:
        port = listener.address.port
        pem = ssl.get_server_certificate(("127.0.0.1", port))
        assert subject(port, trusting(pem.encode())) == "kube-ecr-runner", "who knows it can verify it"
        with pytest.raises(ssl.SSLCertVerificationError):
            get(port, trusting(CA.pem))
        shown = x509.load_pem_x509_certificate(pem.encode())
        assert shown.not_valid_after_utc - shown.not_valid_before_utc == LIFE
        now[0] += LIFE.total_seconds() / 2
        assert ssl.get_server_certificate(("127.0.0.1", port)) == pem
        now[0] += 1
        assert ssl.get_server_certificate(("127.0.0.1", port)) != pem


def test_old_versions_of_tls_are_refused_and_no_http_2_is_promised(port: int) -> None:
    old = trusting(CA.pem)
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        subject(port, old)
    for offered, chosen in ((["h2", "http/1.1"], "http/1.1"), (["h2"], None)):
        context = trusting(CA.pem)
        context.set_alpn_protocols(offered)
        raw = socket.create_connection(("127.0.0.1", port), SECONDS)
        with context.wrap_socket(raw, server_hostname="localhost") as client:
            assert client.selected_alpn_protocol() == chosen
            assert client.version() == "TLSv1.3"


def test_client_that_speaks_no_tls_is_told_so(port: int, caplog: pytest.LogCaptureFixture) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        connection.request("GET", "/metrics", headers={"X": "x" * 8000})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (400, b"this port speaks TLS: use https\n")
    with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
        client.sendall(b"\x00\x01 nonsense\r\n\r\n")
        with suppress(ConnectionError):
            while client.recv(1000):
                pass
    assert caplog.text == ""


def test_client_that_is_slow_with_its_handshake_keeps_nobody_from_an_answer(
    port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The time is for the whole handshake: this one sends a byte again and again."""
    monkeypatch.setattr(web, "CLIENT_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", port), SECONDS) as slow:
        ended = threading.Event()

        def dribble() -> None:
            slow.sendall(b"\x16\x03\x01\x02\x00")
            while not ended.wait(0.05):
                try:
                    slow.sendall(b"\x00")
                except OSError:
                    return

        thread = threading.Thread(target=dribble)
        thread.start()
        assert get(port, trusting(CA.pem))[0] == 200
        slow.settimeout(SECONDS)
        with suppress(ConnectionError):
            assert slow.recv(1000) == b"", "it was too slow"
        ended.set()
        thread.join()
    assert caplog.text == ""


def test_the_end_of_an_answer_is_told(port: int) -> None:
    """Without TLS' own end, an answer that was cut on the way would look like a whole one."""
    context = trusting(CA.pem)
    raw = socket.create_connection(("127.0.0.1", port), SECONDS)
    with context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        while client.recv(65536):
            pass


def test_a_client_that_sends_a_byte_now_and_then_gets_no_more_time(
    port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(web, "REQUEST_SECONDS", 0.3)
    with (
        socket.create_connection(("127.0.0.1", port), SECONDS) as plain,
        trusting(CA.pem).wrap_socket(plain, server_hostname="localhost") as client,
    ):
        assert is_cut_off(client, SECONDS)
    assert caplog.text == "", "which is nobody's concern"
