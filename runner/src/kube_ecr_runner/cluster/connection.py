"""The way to the API server: a kubeconfig or the service account of a pod, TLS, proxies and the token.

What always holds: certificates and keys that stand in a kubeconfig are in files no longer than it takes to read them,
and no error text quotes a kubeconfig.
"""

from __future__ import annotations

import os
import ssl
from urllib.request import getproxies

import urllib3
import yaml
from kubernetes.client import ApiException, Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import ConfigException, kube_config, load_incluster_config, load_kube_config
from urllib3.util.ssl_ import create_urllib3_context

from kube_ecr_runner import PROGRAM
from kube_ecr_runner.cluster.errors import NoClusterError
from kube_ecr_runner.contract.api_server import choose_proxy, first_line, is_in_pod
from kube_ecr_runner.contract.aws_requests import origin_of
from kube_ecr_runner.contract.tls import SERVICE_ACCOUNT_CA, check_as_kubectl_does, describe_tls_failure, words_of


class Access:
    """The way to an API server as a kubeconfig, or the service account of a pod, describes it at one moment."""

    def __init__(self, configuration: Configuration, authority: str = SERVICE_ACCOUNT_CA) -> None:
        """Take the official client's Configuration, and where the CA stands that it trusts, for a person."""
        configuration.connection_pool_maxsize = 8
        configuration.proxy, configuration.no_proxy = choose_proxy(
            configuration.host, configuration.proxy, configuration.no_proxy, getproxies()
        )
        self.url = configuration.host.rstrip("/")
        self.proxy = origin_of(configuration.proxy)
        self.authority = authority
        self.pool = RESTClientObject(configuration).pool_manager
        self._configuration = configuration
        settings = self.pool.connection_pool_kw
        settings["ssl_context"] = _tls(configuration)
        # Each new connection reads what these name, too. The CA of a service account stays: kubelet writes another one
        # into the file when the cluster gets it.
        for name in ("ca_certs", "ca_cert_data", "cert_file", "key_file"):
            if name != "ca_certs" or authority != SERVICE_ACCOUNT_CA:
                settings.pop(name, None)
        if isinstance(self.pool, urllib3.ProxyManager) and self.pool.proxy_config:
            self.pool.proxy_config = self.pool.proxy_config._replace(ssl_context=_tls(configuration, is_proxy=True))
            settings["_proxy_config"] = self.pool.proxy_config

    @classmethod
    def load(cls, kubeconfig: str | None, context: str | None) -> Access:
        """Return what Cluster.connect() describes. Raises NoClusterError."""
        configuration = Configuration()
        try:
            if not kubeconfig and not context and is_in_pod(os.environ):
                load_incluster_config(configuration)
                return cls(configuration)
            load_kube_config(kubeconfig, context, configuration, persist_config=False)
            return cls(configuration, f"certificate-authority in {kubeconfig or _default_kubeconfig()}")
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

    def headers(self) -> dict[str, str]:
        """Return those of each request. A token that ends in a newline is no header."""
        try:
            # The official client reads the file of a service account's token once a minute.
            settings = self._configuration.auth_settings()
            token = settings["BearerToken"]["value"] if "BearerToken" in settings else None
        except (ConfigException, OSError, ValueError):
            # The file is just being written: what stood there lives on for a while.
            token = self._configuration.api_key.get("BearerToken")
        token = (token or "").strip()
        return {"Authorization": token, "User-Agent": PROGRAM} if token else {"User-Agent": PROGRAM}


def _tls(configuration: Configuration, *, is_proxy: bool = False) -> ssl.SSLContext:
    """Read certificates and keys: those that stand in a kubeconfig are otherwise in files as long as this runs.

    For a proxy that is itself reached by TLS, the public CAs count as well, and there is no client certificate.
    """
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if configuration.verify_ssl else ssl.CERT_NONE)
    check_as_kubectl_does(context)
    if configuration.ssl_ca_cert:
        context.load_verify_locations(cafile=configuration.ssl_ca_cert)
    if is_proxy or not configuration.ssl_ca_cert:
        context.load_default_certs()
    if configuration.cert_file and not is_proxy:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context


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
