# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of a call to the API server, worded for a person."""

from __future__ import annotations

from .._contract import reasons
from .._contract.answers import WrongAnswer
from .._contract.api_server import describe_refusal, first_line
from .._contract.errors import ApiError
from .._contract.tls import describe_tls_failure

try:
    import urllib3
except ImportError:  # reported by _features.runtime.missing_libraries, by name, when a task runs
    urllib3 = None  # type: ignore[assignment]


class KubernetesError(ApiError):
    """A call to the API server came to nothing.

    status is the HTTP status, 0 when there was no answer; reason a word in CamelCase (that of the API
    server's Status where it sent one); the message says which call failed, and why, for a person.
    """

    def __init__(self, call: str, status: int, reason: str, text: str) -> None:
        super().__init__(f"{call}: {reason}: {text}")
        self.status = status
        self.reason = reason
        self.text = text


def no_cluster(text: str) -> KubernetesError:
    """Return the error of a kubeconfig or service account that cannot be used; text says why."""
    return KubernetesError("read the kubeconfig", 0, reasons.NO_CLUSTER, first_line(text))


def refusal(call: str, status: int, body: bytes, *, is_of_kind: bool) -> KubernetesError:
    """Return the error of an answer that is no success; with is_of_kind a list was asked for."""
    return KubernetesError(call, *describe_refusal(status, body, is_of_kind=is_of_kind))


def malformed(call: str, host: str, error: WrongAnswer) -> KubernetesError:
    """Return the error of an answer that is not what was asked for."""
    text = f"what {host} answered {error}; check what answers there, and proxies on the way"
    return KubernetesError(call, 0, reasons.MALFORMED_ANSWER, text)


def unreachable(error: Exception, host: str, authority: str, proxy: str) -> str:
    """Return why a request was not answered, with the remedy; the texts of urllib3 quote too much.

    authority is where the CA stands that counts, proxy the origin of the proxy on the way, empty if there is none.
    """
    if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        error = error.reason
    to_proxy = isinstance(error, urllib3.exceptions.ProxyError)
    place = f"the proxy {proxy}".rstrip() if to_proxy else host
    tls = describe_tls_failure(error, f"{authority}, or be a public one" if to_proxy else authority)
    if tls:
        return f"the TLS connection to {place} failed: {tls}"
    if isinstance(error, ValueError):
        return "the bearer token contains characters that an HTTP header cannot carry"
    if to_proxy:
        return f"{place} gives no connection; check HTTPS_PROXY and NO_PROXY, and which hosts the proxy lets through"
    # A refused connection is a NewConnectionError, which urllib3 derives from a time-out.
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    if not refused and isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError)):
        return f"{place} did not answer in time"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return f"no connection to {place}: it was closed without an answer; check what answers, and proxies on the way"
    return f"no connection to {place}; check kubeconfig, host and network"
