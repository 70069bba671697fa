# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the API server is reached, and how it is in a pod: TLS, proxies, token. Other ways are in kubernetes_core.py."""

from __future__ import annotations

import os
import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from .._contract.api_server import is_in_pod, proxy_to
from .._contract.aws_requests import origin_of
from .._contract.service_account import ServiceAccount
from .._contract.tls import check_as_kubectl_does, words_of
from .errors import no_cluster

try:
    import urllib3
    from urllib3.util.retry import Retry
except ImportError:  # reported by _features.runtime.missing_libraries, by name, when a task runs
    Retry = object  # type: ignore[assignment,misc]

# Namespaces are served in parallel over one pool.
POOL_SIZE = 16
# The most of what an API server that is busy asks for (Retry-After) before it is asked again, in seconds.
RETRY_AFTER_LIMIT = 5


class _Retry(Retry):
    """Retries with jitter, and soon; urllib3 1.26, which botocore demands on Python 3.9, has no jitter of its own."""

    def get_backoff_time(self):
        """Return seconds."""
        return super().get_backoff_time() * random.uniform(0.5, 1.0)  # noqa: S311 - a spread, no secret

    def get_retry_after(self, response):
        """Return seconds, or None."""
        seconds = super().get_retry_after(response)
        return seconds and min(seconds, RETRY_AFTER_LIMIT)


def retries() -> Retry:
    """Return how often a request is repeated, and after which answers."""
    return _Retry(
        total=3,
        backoff_factor=0.2,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        raise_on_status=False,
    )


@dataclass(frozen=True)
class Connection:
    """One API server: its URL, a connection pool, and headers for impersonation.

    authority is where the CA stands that counts, for a person, proxy the origin of the proxy on the way, empty if there
    is none. token returns the value of the header Authorization, empty without one; it is asked for each request.
    token_trouble returns why that is an old one, empty if it is not.
    """

    host: str
    pool: Any
    authority: str
    proxy: str
    token: Callable[[], str]
    headers: Mapping[str, Any] = field(default_factory=dict)
    token_trouble: Callable[[], str] = str


def is_of_pod(params: Mapping[str, Any]) -> bool:
    """Return whether none of kubernetes.core's options is given, nor its variable, and this process runs in a pod."""
    is_told = params or any(value and name.startswith("K8S_AUTH_") for name, value in os.environ.items())
    return not is_told and is_in_pod(os.environ)


def of_pod() -> Connection:
    """Return the connection that the service account of this pod gives.

    Raises NoServiceAccount if there is none, KubernetesError if it cannot be used.
    """
    account = ServiceAccount(os.environ)
    proxy = proxy_to(account.url, getproxies())
    try:
        pool = _pool(account.ca_file, proxy)
    except ssl.SSLError as error:
        raise no_cluster(f"the CA in the service account of this pod cannot be read ({words_of(error)})") from None
    except OSError as error:  # it went just now
        raise no_cluster(f"{account.ca_file}: {error.strerror}; check the service account of this pod") from None
    except Exception:  # noqa: BLE001 - of urllib3, and of the library for SOCKS
        text = f"the proxy {origin_of(proxy)} cannot be used; check HTTPS_PROXY and NO_PROXY"
        raise no_cluster(text) from None
    proxy = origin_of(proxy)
    return Connection(account.url, pool, account.ca_file, proxy, account.authorization, {}, lambda: account.trouble)


def tls_context(
    ca_file: str | None, ca_data: str | None = None, *, requires=ssl.CERT_REQUIRED, has_public: bool = False
) -> ssl.SSLContext:
    """Return how TLS is spoken with a server of that CA, or with has_public of a public one as well."""
    context = urllib3.util.ssl_.create_urllib3_context(cert_reqs=requires)
    check_as_kubectl_does(context)
    if ca_file or ca_data:
        context.load_verify_locations(cafile=ca_file, cadata=ca_data)
    if has_public or not (ca_file or ca_data):
        context.load_default_certs()
    return context


def _pool(ca_file: str, proxy: str):
    settings: dict[str, Any] = {
        "maxsize": POOL_SIZE,
        "retries": retries(),
        "cert_reqs": ssl.CERT_REQUIRED,
        "ssl_context": tls_context(ca_file),
    }
    if not proxy:
        return urllib3.PoolManager(**settings)
    if urlsplit(proxy).scheme.startswith("socks"):
        from urllib3.contrib.socks import SOCKSProxyManager  # which needs a library of its own

        return SOCKSProxyManager(proxy, **settings)
    # One that is itself reached by TLS has a certificate of this CA or of a public one.
    return urllib3.ProxyManager(proxy, proxy_ssl_context=tls_context(ca_file, has_public=True), **settings)
