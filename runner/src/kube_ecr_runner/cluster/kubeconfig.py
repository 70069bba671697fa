"""The way to the API server that a kubeconfig describes, as the official client reads it.

What always holds: certificates and keys that stand in a kubeconfig are in files no longer than it takes to read them,
and no error text quotes a kubeconfig.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from urllib.request import getproxies

import kubernetes
import urllib3
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import ConfigException, kube_config

from kube_ecr_runner.cluster.connection import POOL_SIZE, Access, tls_context
from kube_ecr_runner.cluster.errors import NoClusterError
from kube_ecr_runner.contract.api_server import choose_proxy
from kube_ecr_runner.contract.aws_requests import origin_of
from kube_ecr_runner.contract.kubeconfig import CheckedLogin, describe_fault, withholds_token
from kube_ecr_runner.contract.renewed_token import RenewedToken


def load(kubeconfig: str | None, context: str | None) -> Access:
    """Return the way that a kubeconfig describes; without one, $KUBECONFIG or ~/.kube/config. Raises NoClusterError."""
    try:
        configuration, acts_as = _configuration(kubeconfig, context)
        return _access(configuration, acts_as, f"certificate-authority in {kubeconfig or _default_kubeconfig()}")
    except Exception as error:  # noqa: BLE001 - the library raises whatever it likes, and all of it is worded
        raise _no_cluster(describe_fault(error), kubeconfig) from None
    finally:
        kube_config._cleanup_temp_files()


class _Loader(CheckedLogin, kube_config.KubeConfigLoader):
    """The official client's, with logins that are checked."""

    def write(self, text: str) -> str:
        path: str = kube_config._create_temp_file_with_content(text)
        return path


def _configuration(kubeconfig: str | None, context: str | None) -> tuple[Configuration, Mapping[str, list[str]]]:
    """Return what the official client makes of a kubeconfig, and the headers for impersonation."""
    configuration = Configuration()
    merged = kube_config.KubeConfigMerger(kubeconfig or kube_config.KUBE_CONFIG_DEFAULT_LOCATION).config
    if merged is None:
        raise ConfigException("Invalid kube-config file. No configuration found.")
    loader = _Loader(config_dict=merged, active_context=context, config_base_path=None)
    loader.load_and_set(configuration)
    if any(configuration.api_key.values()) and not _authorization(configuration):
        raise ConfigException(withholds_token(kubernetes.__version__))
    return configuration, loader.acts_as


def _access(configuration: Configuration, acts_as: Mapping[str, list[str]], authority: str) -> Access:
    configuration.connection_pool_maxsize = POOL_SIZE
    configuration.proxy, configuration.no_proxy = choose_proxy(
        configuration.host, configuration.proxy, configuration.no_proxy, getproxies()
    )
    pool = RESTClientObject(configuration).pool_manager
    settings = pool.connection_pool_kw
    # What a kubeconfig holds inline is in files as long as this runs.
    tls = partial(tls_context, configuration.ssl_ca_cert, is_verified=configuration.verify_ssl)
    settings["ssl_context"] = tls()
    if configuration.cert_file:
        settings["ssl_context"].load_cert_chain(configuration.cert_file, configuration.key_file)
    # Each new connection would read what these name, too.
    for name in ("ca_certs", "ca_cert_data", "cert_file", "key_file"):
        settings.pop(name, None)
    if isinstance(pool, urllib3.ProxyManager) and pool.proxy_config:
        # For a proxy that is itself reached by TLS, the public CAs count as well, and there is no client certificate.
        pool.proxy_config = pool.proxy_config._replace(ssl_context=tls(has_public=True))
        settings["_proxy_config"] = pool.proxy_config
    url, proxy = configuration.host.rstrip("/"), origin_of(configuration.proxy)
    token = RenewedToken(partial(_authorization, configuration), describe_fault, _authorization(configuration))
    return Access(url, pool, authority, proxy, token, lambda: token.trouble, acts_as)


def _authorization(configuration: Configuration) -> str:
    """Return the value of the header Authorization: the library asks for another token when one expires.

    A token that ends in a newline is no header.
    """
    settings = configuration.auth_settings()
    token = settings["BearerToken"]["value"] if "BearerToken" in settings else None
    return (token or "").strip()


def _default_kubeconfig() -> str:
    return os.environ.get("KUBECONFIG") or "~/.kube/config"


def _no_cluster(text: str, kubeconfig: str | None) -> NoClusterError:
    read = _default_kubeconfig()
    remedy = (
        f"check {kubeconfig}"
        if kubeconfig
        else f"name a kubeconfig with --kubeconfig (without it, {read} is read), or run inside a cluster"
    )
    return NoClusterError(f"{text.rstrip('.')}; {remedy}")
