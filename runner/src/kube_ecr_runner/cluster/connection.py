"""The way to the API server, and how a pod has it: TLS, proxies and the token. kubeconfig.py has the other one."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import urllib3
from urllib3.util.ssl_ import create_urllib3_context

from kube_ecr_runner import PROGRAM
from kube_ecr_runner.cluster.errors import NoClusterError
from kube_ecr_runner.contract.api_server import proxy_to
from kube_ecr_runner.contract.aws_requests import origin_of
from kube_ecr_runner.contract.service_account import NoServiceAccount, ServiceAccount
from kube_ecr_runner.contract.tls import check_as_kubectl_does, words_of

POOL_SIZE = 8


@dataclass(frozen=True)
class Access:
    """The way to an API server as a kubeconfig, or the service account of a pod, describes it at one moment.

    authority is where the CA stands that it trusts, for a person, proxy the origin of the proxy on the way, empty if
    there is none. authorization returns the value of that header, empty if there is none; it is asked each time.
    token_trouble returns why that is an old one, empty if it is not. acts_as are the headers for impersonation.
    """

    url: str
    pool: urllib3.PoolManager
    authority: str
    proxy: str
    authorization: Callable[[], str]
    token_trouble: Callable[[], str] = str
    acts_as: Mapping[str, list[str]] = field(default_factory=dict)

    def headers(self) -> urllib3.HTTPHeaderDict:
        """Return those of each request."""
        headers = urllib3.HTTPHeaderDict({"User-Agent": PROGRAM})
        for name, texts in self.acts_as.items():
            for text in texts:
                headers.add(name, text)
        if token := self.authorization():
            headers["Authorization"] = token
        return headers


def of_pod() -> Access:
    """Return the way that the service account of this pod gives. Raises NoClusterError."""
    proxy = ""
    try:
        account = ServiceAccount(os.environ)
        proxy = proxy_to(account.url, getproxies())
        pool = _pool(account.ca_file, proxy)
    except NoServiceAccount as error:
        raise NoClusterError(str(error)) from None
    except ssl.SSLError as error:
        raise NoClusterError(f"the CA in the service account of this pod cannot be read ({words_of(error)})") from None
    except OSError as error:  # it went just now
        raise NoClusterError(f"the CA in the service account of this pod: {error.strerror}; check its files") from None
    except Exception:  # noqa: BLE001 - of urllib3, and of the library for SOCKS
        raise NoClusterError(f"the proxy {origin_of(proxy)} cannot be used; check HTTPS_PROXY and NO_PROXY") from None
    proxy = origin_of(proxy)
    return Access(account.url, pool, account.ca_file, proxy, account.authorization, lambda: account.trouble)


def tls_context(ca_file: str | None, *, is_verified: bool = True, has_public: bool = False) -> ssl.SSLContext:
    """Return how TLS is spoken with a server whose CA is in a file, or with has_public a public one as well."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if is_verified else ssl.CERT_NONE)
    check_as_kubectl_does(context)
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    if has_public or not ca_file:
        context.load_default_certs()
    return context


def _pool(ca_file: str, proxy: str) -> urllib3.PoolManager:
    # Each new connection reads ca_certs, too: kubelet writes another CA into the file when the cluster gets it.
    settings: dict[str, Any] = {
        "maxsize": POOL_SIZE,
        "cert_reqs": ssl.CERT_REQUIRED,
        "ca_certs": ca_file,
        "ssl_context": tls_context(ca_file),
    }
    if not proxy:
        return urllib3.PoolManager(**settings)
    if urlsplit(proxy).scheme.startswith("socks"):
        from urllib3.contrib.socks import SOCKSProxyManager  # which needs a library of its own

        return SOCKSProxyManager(proxy, **settings)
    return urllib3.ProxyManager(proxy, proxy_ssl_context=tls_context(ca_file, has_public=True), **settings)
