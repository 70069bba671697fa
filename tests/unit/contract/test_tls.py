"""How a TLS connection that failed is worded; tests/integration/modules/test_tls.py has real ones."""

from __future__ import annotations

import ssl

import pytest
import urllib3

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.tls import (
    check_as_kubectl_does,
    describe_tls_failure,
    words_of,
)


def unverified(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


def failed(reason: str, library: str = "SSL", kind: type[ssl.SSLError] = ssl.SSLError) -> ssl.SSLError:
    error = kind(1, f"[{library}: {reason}] some text (_ssl.c:1020)")
    error.reason, error.library = reason, library
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (unverified(20, "unable to get local issuer certificate"), "unable to get local issuer certificate; the CA of"),
        (unverified(18, "self-signed certificate"), "self-signed certificate; the CA of the server has to be in X; if"),
        (
            unverified(7, "certificate signature failure"),
            "certificate signature failure; a CA of this name is in X, wi",
        ),
        (unverified(9, "certificate is not yet valid"), "certificate is not yet valid; check the dates"),
        (unverified(10, "certificate has expired"), "certificate has expired; check the dates"),
        (
            unverified(62, "Hostname mismatch, certificate is not valid for 'a'."),
            "Hostname mismatch, certificate is not",
        ),
        (unverified(64, "IP address mismatch"), "IP address mismatch; the certificate of the server has to be for the"),
        (unverified(85, "Missing Authority Key Identifier"), "Missing Authority Key Identifier; Python 3.13 and newer"),
        (
            failed("WRONG_VERSION_NUMBER"),
            "what answers does not speak TLS (wrong version number); check scheme and port",
        ),
        (failed("RECORD_LAYER_FAILURE"), "what answers does not speak TLS (record layer failure)"),
        (failed("UNSUPPORTED_PROTOCOL"), "the server offers no version of TLS from 1.2 on (unsupported protocol)"),
        (
            failed("TLSV13_ALERT_CERTIFICATE_REQUIRED"),
            "the server refused (tlsv13 alert certificate required); check w",
        ),
        (
            failed("UNEXPECTED_EOF_WHILE_READING", kind=ssl.SSLEOFError),
            "the other side ended the connection during the",
        ),
        (failed("TLS_CLOSED", kind=ssl.SSLZeroReturnError), "the other side ended the connection during the handshake"),
        (failed("BAD_SIGNATURE"), "bad signature; check what answers"),
        (failed("NO_CERTIFICATE_OR_CRL_FOUND", "X509"), "no certificate or crl found; check X"),
        (FileNotFoundError(2, "No such file or directory", "/ca.crt"), "/ca.crt: No such file or directory; check X"),
        (ConnectionRefusedError(111, "Connection refused"), ""),
    ],
)
def test_cause_and_remedy(error: OSError, expected: str) -> None:
    for layers in (error, urllib3.exceptions.SSLError(error), urllib3.exceptions.ProxyError("no proxy", error)):
        told = describe_tls_failure(layers, "X")
        assert told.startswith(expected)
        assert bool(told) == bool(expected)


def test_names_that_a_server_gives_itself_are_not_quoted() -> None:
    mismatch = urllib3.util.ssl_match_hostname.CertificateError("hostname 'a' doesn't match 'canary'")
    told = describe_tls_failure(urllib3.exceptions.SSLError(mismatch), "X")
    assert told == "Hostname mismatch; the certificate of the server has to be for the name or address in the URL"


def test_an_error_that_holds_itself_ends() -> None:
    error = urllib3.exceptions.HTTPError()
    error.__cause__ = urllib3.exceptions.HTTPError(error)
    assert describe_tls_failure(error, "X") == ""


def test_words_name_no_source_file() -> None:
    assert words_of(ssl.SSLError(1, "[SSL] internal error (_ssl.c:4149)")) == "[ssl] internal error"


def test_chain_and_name_are_still_checked() -> None:
    context = ssl.create_default_context()
    check_as_kubectl_does(context)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
