# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connection that kubernetes.core's options name, in whatever way the official client knows.

What always holds: client keys that a kubeconfig holds inline are on disk, where the TLS library wants them, no longer
than it takes to read them.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.request import getproxies

from .._contract.api_server import choose_proxy
from .._contract.aws_requests import origin_of
from .._contract.tls import describe_tls_failure, words_of
from .connection import POOL_SIZE, Connection, retries, tls_context
from .errors import no_cluster

try:
    import urllib3
    import yaml
    from kubernetes.client.exceptions import ApiException
    from kubernetes.client.rest import RESTClientObject
    from kubernetes.config import ConfigException, incluster_config, kube_config
except ImportError:  # reported by _features.runtime.missing_libraries, by name, when a task runs
    RESTClientObject = None  # type: ignore[assignment,misc]

from ansible_collections.kubernetes.core.plugins.module_utils.k8s import client as core_client


def load(params: Mapping[str, Any]) -> Connection:
    """Return the connection that kubernetes.core's options name. Raises KubernetesError when there is none."""
    try:
        configuration, headers = _configure(params)
        configuration.proxy, configuration.no_proxy = choose_proxy(
            configuration.host, configuration.proxy, configuration.no_proxy, getproxies()
        )
        configuration.retries = retries()
        configuration.connection_pool_maxsize = POOL_SIZE
        return Connection(
            configuration.host,
            _pool_of(configuration),
            _authority(configuration),
            origin_of(configuration.proxy),
            partial(_token, configuration),
            headers,
        )
    except ssl.SSLError as error:
        raise no_cluster(f"a certificate or key cannot be read ({words_of(error)})") from None
    except OSError as error:  # a certificate or key that cannot be read
        raise no_cluster(str(error)) from None
    finally:
        # The library's own cleanup comes at interpreter exit, which a forked worker never sees.
        kube_config._cleanup_temp_files()


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
    tls = partial(tls_context, authority, authority_data, requires=settings["cert_reqs"])
    settings["ssl_context"] = tls()
    if certificate:
        settings["ssl_context"].load_cert_chain(certificate, key)
    if isinstance(pool, urllib3.ProxyManager) and pool.proxy_config:
        # One that is itself reached by TLS has a certificate of a public CA, or of the one that the kubeconfig names.
        pool.proxy_config = pool.proxy_config._replace(ssl_context=tls(has_public=True))
        settings["_proxy_config"] = pool.proxy_config
    return pool


def _authority(configuration) -> str:
    """With an option beside them, kubernetes.core takes the address and the files of a pod."""
    in_pod = incluster_config.SERVICE_CERT_FILENAME
    is_of_pod = configuration.ssl_ca_cert == in_pod
    return in_pod if is_of_pod else "ca_cert, or certificate-authority in the kubeconfig"


def _token(configuration) -> str:
    """Return the value of the header Authorization: the official client renews what an exec plugin gave."""
    try:
        token = next((setting["value"] for setting in configuration.auth_settings().values()), "")
    except (ConfigException, OSError):
        # The file is just being written: what stood there lives on for a while.
        token = next(iter(configuration.api_key.values()), "")
    # What was read from a file may end in a newline.
    return (token or "").strip()
