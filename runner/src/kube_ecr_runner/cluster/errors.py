"""What is raised when a call to the API server fails, and how that is worded for a person.

What always holds: no text quotes an object, nor an answer that is no Status of the API server.
"""

from __future__ import annotations

import urllib3

from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.answers import WrongAnswer
from kube_ecr_runner.contract.api_server import describe_refusal
from kube_ecr_runner.contract.errors import ApiError
from kube_ecr_runner.contract.tls import describe_tls_failure
from kube_ecr_runner.model.errors import StartupError


class KubernetesError(ApiError):
    """A call to the API server came to nothing.

    call says what was tried; status is the HTTP status, 0 when there was no answer; reason a word in CamelCase; text
    says why, for a person.
    """

    def __init__(self, call: str, status: int, reason: str, text: str) -> None:
        super().__init__(f"{call}: {text}")
        self.call = call
        self.status = status
        self.reason = reason
        self.text = text


class NoClusterError(KubernetesError, StartupError):
    """Neither a kubeconfig nor a pod says where the API server is, or what they say cannot be used."""

    def __init__(self, text: str) -> None:
        super().__init__("find the cluster", 0, reasons.NO_CLUSTER, text)


def refusal(call: str, status: int, body: bytes, *, is_of_kind: bool) -> KubernetesError:
    """Return the error of an answer that is no success; with is_of_kind a list or watch was asked for."""
    return KubernetesError(call, *describe_refusal(status, body, is_of_kind=is_of_kind))


def malformed(call: str, url: str, error: WrongAnswer) -> KubernetesError:
    """Return the error of an answer that is not what was asked for."""
    text = f"what {url} answered {error}; check what answers there, and proxies on the way"
    return KubernetesError(call, 0, reasons.MALFORMED_ANSWER, text)


def unreachable_because(error: Exception, url: str, authority: str, proxy: str) -> str:
    """Return why a request got no answer, and what to check, for a person.

    authority is where the CA stands that counts, proxy the origin of the proxy on the way, empty if there is none.
    """
    if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        error = error.reason
    to_proxy = isinstance(error, urllib3.exceptions.ProxyError)
    place = f"the proxy {proxy}".rstrip() if to_proxy else f"the API server {url}"
    if tls := describe_tls_failure(error, f"{authority}, or be a public one" if to_proxy else authority):
        return f"the TLS connection to {place} failed: {tls}"
    if isinstance(error, ValueError):
        return "the bearer token contains characters that an HTTP header cannot carry"
    if to_proxy:
        return f"{place} gives no connection; check HTTPS_PROXY and NO_PROXY, and which hosts the proxy lets through"
    if isinstance(error, (urllib3.exceptions.ReadTimeoutError, TimeoutError)):
        return f"{place} did not answer in time"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return f"no connection to {place}: it was closed without an answer; check what answers, and proxies on the way"
    return f"no connection to {place}; check that it runs, the kubeconfig and the network"
