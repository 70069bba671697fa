# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of a call to the API server, worded for a person."""

from __future__ import annotations

from .._contract import reasons
from .._contract.answers import WrongAnswer
from .._contract.api_server import first_line
from .._contract.errors import ApiError
from .._contract.unanswered import describe_unanswered


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


def malformed(call: str, host: str, error: WrongAnswer) -> KubernetesError:
    """Return the error of an answer that is not what was asked for."""
    return KubernetesError(call, 0, reasons.MALFORMED_ANSWER, error.told_of(host))


def unreachable(error: Exception, host: str, authority: str, proxy: str) -> str:
    """Return why a request was not answered, with the remedy.

    authority is where the CA stands that counts, proxy the origin of the proxy on the way, empty if there is none.
    """
    return describe_unanswered(error, host, "check kubeconfig, host and network", authority=authority, proxy=proxy)
