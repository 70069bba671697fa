"""What is raised when a call to the API server fails, and how that is worded for a person.

What always holds: no text quotes an object, nor an answer that is no Status of the API server.
"""

from __future__ import annotations

from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.answers import WrongAnswer
from kube_ecr_runner.contract.errors import ApiError
from kube_ecr_runner.contract.unanswered import describe_unanswered
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


def malformed(call: str, url: str, error: WrongAnswer) -> KubernetesError:
    """Return the error of an answer that is not what was asked for."""
    return KubernetesError(call, 0, reasons.MALFORMED_ANSWER, error.told_of(url))


def unreachable_because(error: Exception, url: str, authority: str, proxy: str) -> str:
    """Return why a request got no answer, and what to check, for a person.

    authority is where the CA stands that counts, proxy the origin of the proxy on the way, empty if there is none.
    """
    remedy = "check that it runs, the kubeconfig and the network"
    return describe_unanswered(error, f"the API server {url}", remedy, authority=authority, proxy=proxy)
