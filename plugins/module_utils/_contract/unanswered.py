# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a request to the API server got no answer, for a person. Pure.

Errors of urllib3 are told apart by the names of their classes: it is not imported here, and its own texts quote too
much.
"""

from __future__ import annotations

from .tls import SERVICE_ACCOUNT_CA, describe_tls_failure, errors_within

_NO_URL = frozenset({"LocationValueError", "URLRequired"})
_PROXY = frozenset({"ProxyError", "ProxySchemeUnknown", "ProxySchemeUnsupported"})
_CLOSED = frozenset({"ProtocolError", "HTTPException", "ResponseError", "HeaderParsingError"})
# A refused connection is none, though urllib3 derives its error from a time-out.
_UNCONNECTED = "NewConnectionError"


def describe_unanswered(error: BaseException, server: str, remedy: str, *, authority: str, proxy: str) -> str:
    """Return what became of a request that a library raised an error for, the cause, and what to do.

    server and remedy are how the server is called, and what to check where nothing answers; authority is where the CA
    stands that counts, proxy the origin of the proxy on the way, empty if there is none.
    """
    reason = getattr(error, "reason", None)
    if type(error).__name__ == "MaxRetryError" and isinstance(reason, BaseException):
        error = reason
    names = {each.__name__ for each in type(error).__mro__}
    to_proxy = bool(_PROXY & names)
    place = f"the proxy {proxy}".rstrip() if to_proxy else server
    tls = describe_tls_failure(error, f"{authority}, or be a public one" if to_proxy else authority)
    if tls:
        return f"the TLS connection to {place} failed: {tls}"
    if to_proxy:
        return f"{place} gives no connection; check HTTPS_PROXY and NO_PROXY, and which hosts the proxy lets through"
    if _NO_URL & names:
        return f"{server} is no URL that can be used; check host, or server in the kubeconfig"
    if "DecodeError" in names:
        return f"{place} sent content in an encoding that cannot be read; check what answers, and proxies on the way"
    if "TimeoutError" in names and _UNCONNECTED not in names:
        return f"{place} did not answer in time; check its load, the network and proxies on the way"
    if _CLOSED & names:
        return f"no connection to {place}: it was closed without an answer; check what answers, and proxies on the way"
    if isinstance(error, ValueError):
        return "the bearer token contains characters that an HTTP header cannot carry; check where it comes from"
    if authority == SERVICE_ACCOUNT_CA:  # in a pod there is no kubeconfig to check
        remedy = "check that it runs, and the NetworkPolicies of this pod"
    return f"no connection to {place}{_system_cause(error)}; {remedy}"


def _system_cause(error: BaseException) -> str:
    """Return the words of the operating system, such as of a name that is not known, in brackets."""
    for each in errors_within(error):
        if isinstance(each, OSError) and each.strerror:
            return f" ({each.strerror.lower()})"
    return f" ({type(error).__name__})"
