"""The way to the API server that a kubeconfig describes, as the official client reads it.

What always holds: certificates and keys that stand in a kubeconfig are in files no longer than it takes to read them,
and no error text quotes a kubeconfig.
"""

from __future__ import annotations

import os
import ssl
from functools import partial
from urllib.request import getproxies

import urllib3
import yaml
from kubernetes.client import ApiException, Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import ConfigException, kube_config, load_kube_config

from kube_ecr_runner.cluster.connection import POOL_SIZE, Access, tls_context
from kube_ecr_runner.cluster.errors import NoClusterError
from kube_ecr_runner.contract.api_server import choose_proxy, first_line
from kube_ecr_runner.contract.aws_requests import origin_of
from kube_ecr_runner.contract.tls import describe_tls_failure, words_of


def load(kubeconfig: str | None, context: str | None) -> Access:
    """Return the way that a kubeconfig describes; without one, $KUBECONFIG or ~/.kube/config. Raises NoClusterError."""
    configuration = Configuration()
    try:
        load_kube_config(kubeconfig, context, configuration, persist_config=False)
        return _access(configuration, f"certificate-authority in {kubeconfig or _default_kubeconfig()}")
    except yaml.YAMLError:  # its text quotes the file, which may hold a token
        raise _no_cluster("the kubeconfig is not valid YAML", kubeconfig) from None
    except (TypeError, KeyError, AttributeError):
        raise _no_cluster("the kubeconfig has not the form of one", kubeconfig) from None
    except (urllib3.exceptions.HTTPError, ApiException) as error:
        # The official client asks the identity provider (auth-provider) for a token, in a way of its own.
        cause = describe_tls_failure(error, "idp-certificate-authority") or "check idp-issuer-url"
        raise _no_cluster(f"the identity provider gives no token: {cause}", kubeconfig) from None
    except ssl.SSLError as error:
        raise _no_cluster(f"a certificate or key cannot be read ({words_of(error)})", kubeconfig) from None
    except (ConfigException, OSError, ValueError) as error:
        raise _no_cluster(first_line(str(error)), kubeconfig) from None
    finally:
        kube_config._cleanup_temp_files()


def _access(configuration: Configuration, authority: str) -> Access:
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
    return Access(url, pool, authority, proxy, partial(_authorization, configuration))


def _authorization(configuration: Configuration) -> str:
    """Return the value of the header Authorization. A token that ends in a newline is no header."""
    try:
        # The official client asks an exec plugin for another token when one expires.
        settings = configuration.auth_settings()
        token = settings["BearerToken"]["value"] if "BearerToken" in settings else None
    except (ConfigException, OSError, ValueError):
        # The file is just being written: what stood there lives on for a while.
        token = configuration.api_key.get("BearerToken")
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
