# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""TLS: what is checked of a server's certificate, and how a connection that failed is worded.

What always holds: a text has the words of OpenSSL or of Python's ssl module, and nothing that a server sent but names
in its certificate.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

from .api_server import SERVICE_ACCOUNT_FOLDER, first_line

SERVICE_ACCOUNT_CA = f"{SERVICE_ACCOUNT_FOLDER}/ca.crt"
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html
AWS_AUTHORITY = "the file that AWS_CA_BUNDLE names"
# X509_V_FLAG_PARTIAL_CHAIN, which the ssl module has a name for from Python 3.10 on.
_PARTIAL_CHAIN = 0x80000

# X509_V_ERR_... of https://github.com/openssl/openssl/blob/master/include/openssl/x509_vfy.h.in
_OTHER_KEY, _NOT_YET_VALID, _EXPIRED = 7, 9, 10
_OTHER_NAME = (62, 64)
# What VERIFY_X509_STRICT refuses: only where a library makes its own context.
_FORM = range(80, 94)
# What OpenSSL says where the other side speaks something else, such as plain HTTP; the last one from 3.2 on.
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
_NO_VERSION = {"UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "TLSV1_ALERT_PROTOCOL_VERSION"}


def check_as_kubectl_does(context: ssl.SSLContext) -> None:
    """Have a context check the chain, the dates and the name of a certificate, and not its form.

    From Python 3.13 on, ssl.create_default_context(), and with it urllib3, set VERIFY_X509_STRICT, which refuses what
    kubectl and curl accept: a CA without key identifiers, such as that of EKS
    (https://github.com/kubernetes-client/python/issues/2394). Both also accept any certificate in the bundle as the end
    of the chain, be it of an intermediate CA or of the server itself.
    """
    context.verify_flags = (context.verify_flags | _PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT


def describe_tls_failure(error: BaseException, authority: str) -> str:
    """Return why a TLS connection failed, in words, and what to do; empty if TLS is not why.

    error is what a library raised, with ssl's own error somewhere within. authority is where the CA that counts stands.
    """
    for each in errors_within(error):
        # Python's own code, as that of urllib3, compares names as well. Its text has what a server says of itself.
        if type(each).__name__ == "CertificateError" or isinstance(each, ssl.CertificateError):
            told = getattr(each, "verify_message", "") or "Hostname mismatch"
            return f"{told.rstrip('.')}; {_certificate_remedy(getattr(each, 'verify_code', _OTHER_NAME[0]), authority)}"
        if isinstance(each, ssl.SSLError):
            is_file = getattr(each, "library", "SSL") != "SSL"
            return f"{words_of(each)}; check {authority}" if is_file else _handshake(each)
        if isinstance(each, OSError) and each.filename:
            return f"{each.filename}: {each.strerror}; check {authority}"
    return ""


def words_of(error: ssl.SSLError) -> str:
    """Return OpenSSL's words for an error, without the places in source files that Python adds."""
    reason: str = getattr(error, "reason", "") or re.sub(r"\s*\(_ssl\.c:\d+\)", "", first_line(str(error)))
    return reason.replace("_", " ").lower()


def _certificate_remedy(code: int, authority: str) -> str:
    if code in (_NOT_YET_VALID, _EXPIRED):
        return "check the dates of the certificates of the server and its CA, and the clock of this machine"
    if code in _OTHER_NAME:
        return "the certificate of the server has to be for the name or address in the URL"
    if code == _OTHER_KEY:
        return f"a CA of this name is in {authority}, with another key; of several with one name, the first one counts"
    if code in _FORM:
        return "Python 3.13 and newer check that here, kubectl does not; renew that certificate, or use Python 3.12"
    return f"the CA of the server has to be in {authority}; if a proxy answers in its place, the CA of the proxy"


def _handshake(error: ssl.SSLError) -> str:
    reason = getattr(error, "reason", "") or ""
    if reason in _NO_TLS:
        return f"what answers does not speak TLS ({words_of(error)}); check scheme and port"
    if reason in _NO_VERSION:
        return f"the server offers no version of TLS from 1.2 on ({words_of(error)}); check its settings"
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "the other side ended the connection during the handshake; check what answers, and proxies on the way"
    if "ALERT" in reason:
        return f"the server refused ({words_of(error)}); check what answers, and whether it wants a client certificate"
    return f"{words_of(error)}; check what answers, and proxies on the way"


def errors_within(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it stems from: libraries keep that in arguments and attributes of many names."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop(0)
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            kept = (*each.args, *vars(each).values(), *getattr(each, "kwargs", {}).values())
            waiting += [one for one in (*kept, each.__cause__, each.__context__) if isinstance(one, BaseException)]
