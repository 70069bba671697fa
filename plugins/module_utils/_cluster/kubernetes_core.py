# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connection that kubernetes.core's options name, in whatever way the official client knows.

What always holds: client keys that a kubeconfig holds inline are on disk, where the TLS library wants them, no longer
than it takes to read them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.request import getproxies

from .._contract.api_server import choose_proxy
from .._contract.aws_requests import origin_of
from .._contract.kubeconfig import CheckedLogin, describe_fault, withholds_token
from .._contract.renewed_token import RenewedToken
from .connection import POOL_SIZE, Connection, retries, tls_context
from .errors import no_cluster

try:
    import kubernetes
    import urllib3
    from kubernetes.client.rest import RESTClientObject
    from kubernetes.config import ConfigException, incluster_config, kube_config
    from kubernetes.config.kube_config import KubeConfigLoader
except ImportError:  # reported by _features.runtime.missing_libraries, by name, when a task runs
    KubeConfigLoader = object  # type: ignore[assignment,misc]

try:
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s import client as core_client
except ImportError:  # Ansible ships what is here; without the collection, load() says so
    core_client = None

_loading = threading.Lock()


def load(params: Mapping[str, Any]) -> Connection:
    """Return the connection that kubernetes.core's options name. Raises KubernetesError when there is none."""
    if core_client is None:
        raise no_cluster(
            "the collection kubernetes.core is not installed; "
            "on the controller, run: ansible-galaxy collection install kubernetes.core"
        )
    try:
        configuration, headers = _configure(params)
        configuration.proxy, configuration.no_proxy = choose_proxy(
            configuration.host, configuration.proxy, configuration.no_proxy, getproxies()
        )
        configuration.retries = retries()
        configuration.connection_pool_maxsize = POOL_SIZE
        token = RenewedToken(partial(_token, configuration), describe_fault, _token(configuration))
        return Connection(
            configuration.host,
            _pool_of(configuration),
            _authority(configuration),
            origin_of(configuration.proxy),
            token,
            headers,
            lambda: token.trouble,
        )
    except Exception as error:  # noqa: BLE001 - the libraries raise whatever they like, and all of it is worded
        raise no_cluster(f"{describe_fault(error)}; check {_place(params)}") from None
    finally:
        # The library's own cleanup comes at interpreter exit, which a forked worker never sees.
        kube_config._cleanup_temp_files()


def _place(params: Mapping[str, Any]) -> str:
    """Return where it stands how the API server is reached, for a person; kubernetes.core takes variables, too."""
    given = {name: params.get(name) or os.environ.get(f"K8S_AUTH_{name.upper()}") for name in ("host", "kubeconfig")}
    if given["kubeconfig"] and not isinstance(given["kubeconfig"], str):
        return "the option kubeconfig"
    if given["host"] and not given["kubeconfig"]:
        return "the options that go with host"
    return given["kubeconfig"] or os.environ.get("KUBECONFIG") or "~/.kube/config"


def _configure(params: Mapping[str, Any]) -> tuple:
    """Return the official client's Configuration, and the headers for impersonation."""
    loaders: list[_Loader] = []

    def loader(**settings) -> _Loader:
        loaders.append(_Loader(**settings))
        return loaders[-1]

    with _loading:
        # kubernetes.core takes the class from there, and has no option for another.
        kube_config.KubeConfigLoader = loader  # type: ignore[assignment,misc]
        try:
            # kubernetes.core has no public function that stops short of discovery.
            configuration = core_client._create_configuration(core_client._create_auth_spec(**params))
        finally:
            kube_config.KubeConfigLoader = KubeConfigLoader  # type: ignore[misc]
    if any(configuration.api_key.values()) and not _token(configuration):
        raise ConfigException(withholds_token(kubernetes.__version__))
    headers = core_client._create_headers(**params)
    # What an option says of that goes before all that the kubeconfig says, as with kubectl's --as.
    is_told = any(name.startswith("Impersonate-") for name in headers)
    if loaders and not is_told:
        headers = {**loaders[-1].acts_as, **headers}
    return configuration, headers


class _Loader(CheckedLogin, KubeConfigLoader):
    """The official client's, with logins that are checked."""

    def write(self, text: str) -> str:
        return kube_config._create_temp_file_with_content(text)


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
    token = next((setting["value"] for setting in configuration.auth_settings().values()), "")
    # What was read from a file may end in a newline.
    return (token or "").strip()
