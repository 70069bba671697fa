# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the API server is reached: kubernetes.core's options, the official client's configuration, proxies and TLS.

What always holds: client keys that a kubeconfig holds inline are on disk, where the TLS library wants them, no longer
than it takes to read them.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import getproxies

from .._contract.api_server import choose_proxy
from .._contract.aws_requests import origin_of
from .._contract.tls import check_as_kubectl_does, describe_tls_failure, words_of
from .errors import no_cluster

try:
    import urllib3
    import yaml
    from kubernetes.client.exceptions import ApiException
    from kubernetes.client.rest import RESTClientObject
    from kubernetes.config import ConfigException, incluster_config, kube_config
    from urllib3.util.retry import Retry
except ImportError:  # reported by _features.runtime.missing_libraries, by name, when a task runs
    RESTClientObject, Retry = None, object  # type: ignore[assignment,misc]

from ansible_collections.kubernetes.core.plugins.module_utils.k8s import client as core_client

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


@dataclass(frozen=True)
class Connection:
    """One API server: the official client's configuration, its connection pool, and headers for impersonation."""

    configuration: Any
    pool: Any
    headers: Mapping[str, Any]

    @classmethod
    def load(cls, params: Mapping[str, Any]) -> Connection:
        """Return the connection that kubernetes.core's options name. Raises KubernetesError when there is none."""
        try:
            configuration, headers = _configure(params)
            configuration.proxy, configuration.no_proxy = choose_proxy(
                configuration.host, configuration.proxy, configuration.no_proxy, getproxies()
            )
            configuration.retries = _Retry(
                total=3,
                backoff_factor=0.2,
                status_forcelist=(429, 500, 502, 503, 504),
                allowed_methods=None,
                raise_on_status=False,
            )
            # Namespaces are served in parallel over this one pool.
            configuration.connection_pool_maxsize = 16
            return cls(configuration, _pool_of(configuration), headers)
        except ssl.SSLError as error:
            raise no_cluster(f"a certificate or key cannot be read ({words_of(error)})") from None
        except OSError as error:  # a certificate or key that cannot be read
            raise no_cluster(str(error)) from None
        finally:
            # The library's own cleanup comes at interpreter exit, which a forked worker never sees.
            kube_config._cleanup_temp_files()

    @property
    def host(self) -> str:
        """The URL of the API server."""
        return self.configuration.host

    @property
    def proxy(self) -> str:
        """Scheme, host and port of the proxy on the way to it, empty if there is none."""
        return origin_of(self.configuration.proxy)

    @property
    def authority(self) -> str:
        """Where the CA stands that counts, for a person."""
        in_pod = incluster_config.SERVICE_CERT_FILENAME
        is_of_pod = self.configuration.ssl_ca_cert == in_pod
        return in_pod if is_of_pod else "ca_cert, or certificate-authority in the kubeconfig"

    def token(self) -> str:
        """Return the value of the header Authorization, empty without one.

        Asked for each request: the official client renews what a service account or an exec plugin gave.
        """
        try:
            token = next((setting["value"] for setting in self.configuration.auth_settings().values()), "")
        except (ConfigException, OSError):
            # The file is just being written: what stood there lives on for a while.
            token = next(iter(self.configuration.api_key.values()), "")
        # What was read from a file may end in a newline.
        return (token or "").strip()


def _configure(params: Mapping[str, Any]) -> tuple:
    """Return the official client's Configuration, and the headers for impersonation."""
    try:
        # kubernetes.core has no public function that stops short of discovery.
        configuration = core_client._create_configuration(core_client._create_auth_spec(**params))
        return configuration, core_client._create_headers(**params)
    except yaml.YAMLError:  # its text quotes the file, which may hold a token
        raise no_cluster("it is not valid YAML") from None
    except (urllib3.exceptions.HTTPError, ApiException) as error:
        # The official client asks the identity provider (auth-provider) for a token, in a way of its own.
        cause = describe_tls_failure(error, "idp-certificate-authority") or "check idp-issuer-url"
        raise no_cluster(f"the identity provider gives no token: {cause}") from None
    except (ConfigException, OSError, ValueError, TypeError) as error:
        raise no_cluster(str(error)) from None


def _pool_of(configuration):
    """Return the official client's connection pool, with certificates and keys read, so that no file need stay."""
    pool = RESTClientObject(configuration).pool_manager
    settings = pool.connection_pool_kw
    names = ("ca_certs", "ca_cert_data", "cert_file", "key_file")
    authority, authority_data, certificate, key = (settings.pop(name, None) for name in names)

    def context(*, has_public: bool):
        made = urllib3.util.ssl_.create_urllib3_context(cert_reqs=settings["cert_reqs"])
        check_as_kubectl_does(made)
        if authority or authority_data:
            made.load_verify_locations(cafile=authority, cadata=authority_data)
        if has_public:
            made.load_default_certs()
        return made

    settings["ssl_context"] = context(has_public=not (authority or authority_data))
    if certificate:
        settings["ssl_context"].load_cert_chain(certificate, key)
    if isinstance(pool, urllib3.ProxyManager) and pool.proxy_config:
        # One that is itself reached by TLS has a certificate of a public CA, or of the one that the kubeconfig names.
        pool.proxy_config = pool.proxy_config._replace(ssl_context=context(has_public=True))
        settings["_proxy_config"] = pool.proxy_config
    return pool
