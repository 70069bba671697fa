# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Kubernetes backend: the few calls that the collection makes, and their errors worded for a person.

The options, their environment variables and the order in which they are looked at are kubernetes.core's, and
connections are those of the official client. Above that stand plain HTTP calls: kubernetes.core's dynamic
client asks the API server for all that it serves (discovery, which fails when any aggregated API is down) and
keeps the answer in a file in /tmp, and the official client's API classes take 0.7 s to import for models that
are not needed here.

What always holds: every call has time-outs and bounded retries; client keys that a kubeconfig holds inline
are on disk, where the TLS library wants them, no longer than it takes to read them.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import quote, urlencode

from ansible_collections.kube_ecr.secrets.plugins.module_utils._resources import GROUP, VERSION

try:
    import urllib3
    import yaml
    from kubernetes.client.rest import RESTClientObject
    from kubernetes.config import ConfigException, kube_config
    from urllib3._collections import HTTPHeaderDict
    from urllib3.util.retry import Retry
except ImportError:  # reported by _module.missing_libraries, by name, when a task runs
    RESTClientObject, Retry = None, object

from ansible_collections.kubernetes.core.plugins.module_utils.k8s import client as core_client

FIELD_MANAGER = "kube-ecr-secrets"
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 15
PAGE = 500
# The least that the API server grants: the token is used at once.
TOKEN_SECONDS = 600
_METHODS = {"patch": "PATCH", "create": "POST"}
# Every PATCH here is a server-side apply. JSON is YAML too.
_CONTENT = {"patch": "application/apply-patch+yaml", "create": "application/json"}


class KubernetesError(Exception):
    """A call to the API server came to nothing.

    status is the HTTP status, 0 when there was no answer; reason a word in CamelCase (that of the API
    server's Status where it sent one); the message says which call failed, and why, for a person.
    """

    def __init__(self, call: str, status: int, reason: str, text: str) -> None:
        super().__init__(f"{call}: {reason}: {text}")
        self.status = status
        self.reason = reason
        self.text = text


class _Retry(Retry):
    """Retries with jitter; urllib3 1.26, which botocore demands on Python 3.9, has none of its own."""

    def get_backoff_time(self):
        """Return seconds."""
        return super().get_backoff_time() * random.uniform(0.5, 1.0)  # noqa: S311 - a spread, no secret


class Cluster:
    """One API server; connect() gives it. Its methods may be called from any thread."""

    def __init__(self, configuration, headers: dict) -> None:
        """Take the official client's Configuration, and headers to send with every request."""
        self._configuration = configuration
        self._headers = headers
        self._pool = _pool(configuration)

    def read_object(self, kind: str, namespace: str, name: str) -> dict | None:
        """Return a Secret, ServiceAccount or (with an empty namespace) Namespace, None where there is none.

        Raises KubernetesError.
        """
        plural = f"{kind.lower()}s"
        where = f" in namespace {namespace}" if namespace else ""
        try:
            return self._call("get", _core_path(plural, namespace, name), f"{plural}/{name}{where}")
        except KubernetesError as error:
            if error.status == 404:
                return None
            raise

    def create_token(self, namespace: str, account: str, audience: str) -> str:
        """Return a short-lived token of a service account, for an audience. Raises KubernetesError.

        https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
        """
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": TOKEN_SECONDS},
        }
        path = f"{_core_path('serviceaccounts', namespace, account)}/token"
        what = f"serviceaccounts/token of {account} in namespace {namespace}"
        return self._call("create", path, what, body=body)["status"]["token"]

    def apply_secret(self, manifest: dict, *, force: bool, dry_run: bool) -> dict:
        """Server-side apply a Secret and return what it became. Raises KubernetesError.

        With force fields of other managers are taken over; without, an object of somebody else that has
        other values makes it a conflict (409). A resourceVersion in the manifest makes a change since
        then a conflict too. dry_run asks the API server to go through with all but the storing.
        (https://kubernetes.io/docs/reference/using-api/server-side-apply/)
        """
        name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        query = {"fieldManager": FIELD_MANAGER, "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        what = f"secrets/{name} in namespace {namespace}"
        return self._call("patch", _core_path("secrets", namespace, name), what, query, manifest)

    def list_resources(self, plural: str, label_selector: str | None = None) -> Iterator[dict]:
        """Yield the custom resources of one kind in the whole cluster. Raises KubernetesError."""
        query = {"limit": PAGE}
        if label_selector:
            query["labelSelector"] = label_selector
        while True:
            page = self._call("list", _resource_path(plural), f"{plural}.{GROUP} in all namespaces", query)
            yield from page["items"]
            query["continue"] = page["metadata"].get("continue")
            if not query["continue"]:
                return

    def read_resource(self, plural: str, namespace: str, name: str) -> dict:
        """Return one custom resource; namespace is empty for the cluster kind. Raises KubernetesError."""
        what = f"{plural}.{GROUP}/{name}" + (f" in namespace {namespace}" if namespace else "")
        return self._call("get", _resource_path(plural, namespace, name), what)

    def _call(self, verb: str, path: str, what: str, query: dict | None = None, body: dict | None = None) -> dict:
        """Make one request; verb is the one of RBAC."""
        call, host = f"{verb} {what}", self._configuration.host
        try:
            answer = self._pool.request(
                _METHODS.get(verb, "GET"),
                f"{host}{path}?{urlencode(query or {})}",
                body=json.dumps(body) if body else None,
                headers=self._request_headers(_CONTENT.get(verb)),
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise KubernetesError(call, 0, "Unreachable", _unreachable(error, host)) from None
        if answer.status >= 300:
            raise _refusal(call, answer.status, answer.data)
        try:
            return json.loads(answer.data)
        except ValueError:
            raise KubernetesError(call, 0, "MalformedAnswer", f"{host} did not answer in JSON") from None

    def _request_headers(self, content: str | None):
        headers = HTTPHeaderDict(Accept="application/json")
        if content:
            headers["Content-Type"] = content
        for name, value in self._headers.items():
            for each in value if isinstance(value, list) else [value]:
                headers.add(name, each)
        # Asked for each request: the official client renews what a service account or an exec plugin gave.
        for setting in self._configuration.auth_settings().values():
            headers[setting["key"]] = setting["value"]
        return headers


def _core_path(plural: str, namespace: str, name: str) -> str:
    within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    return f"/api/v1{within}/{plural}/{quote(name, safe='')}"


def _resource_path(plural: str, namespace: str = "", name: str = "") -> str:
    within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    return f"/apis/{GROUP}/{VERSION}{within}/{plural}" + (f"/{quote(name, safe='')}" if name else "")


def connect(params: dict) -> Cluster:
    """Return the cluster that kubernetes.core's authentication options name.

    params may hold any of them; those that are absent come from K8S_AUTH_* variables, then from the
    service account of the pod, then from the kubeconfig. The connection is kept for the next call with the
    same params: reading a kubeconfig and greeting the API server takes longer than writing a Secret. A
    forked process gets one of its own, for two must not talk over one TLS connection.

    Raises KubernetesError when no cluster is named.
    """
    return _connect(json.dumps(params, sort_keys=True), os.getpid())


@lru_cache(maxsize=8)
def _connect(params_json: str, _pid: int) -> Cluster:
    try:
        configuration, headers = _configure(json.loads(params_json))
        configuration.retries = _Retry(
            total=3,
            backoff_factor=0.2,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
            raise_on_status=False,
        )
        # Namespaces are served in parallel over this one pool.
        configuration.connection_pool_maxsize = 16
        return Cluster(configuration, headers)
    except OSError as error:  # a certificate or key that cannot be read
        raise _no_cluster(str(error)) from None
    finally:
        # The library's own clean-up comes at interpreter exit, which a forked worker never sees.
        kube_config._cleanup_temp_files()


def _configure(params: dict) -> tuple:
    """Return the official client's Configuration, and the headers for impersonation."""
    try:
        # kubernetes.core has no public function that stops short of discovery.
        configuration = core_client._create_configuration(core_client._create_auth_spec(**params))
        return configuration, core_client._create_headers(**params)
    except yaml.YAMLError:  # its text quotes the file, which may hold a token
        raise _no_cluster("it is not valid YAML") from None
    except (ConfigException, OSError, ValueError, TypeError) as error:
        raise _no_cluster(str(error)) from None


def _no_cluster(text: str) -> KubernetesError:
    return KubernetesError("read the kubeconfig", 0, "NoCluster", _first_line(text))


def _pool(configuration):
    """Return the official client's connection pool, with certificates and keys read, so that no file need stay."""
    pool = RESTClientObject(configuration).pool_manager
    settings = pool.connection_pool_kw
    names = ("ca_certs", "ca_cert_data", "cert_file", "key_file")
    authority, authority_data, certificate, key = (settings.pop(name, None) for name in names)
    context = urllib3.util.ssl_.create_urllib3_context(cert_reqs=settings["cert_reqs"])
    if authority or authority_data:
        context.load_verify_locations(cafile=authority, cadata=authority_data)
    else:
        context.load_default_certs()
    if certificate:
        context.load_cert_chain(certificate, key)
    settings["ssl_context"] = context
    return pool


def _refusal(call: str, status: int, body: bytes) -> KubernetesError:
    """Word an answer that is no success; one that is no Status (a proxy's HTML, say) is not quoted."""
    try:
        told = json.loads(body)
        reason, text = told.get("reason") or "", told["message"]
    except (ValueError, KeyError, TypeError, AttributeError):
        reason, text = "", f"the server answered with HTTP status {status}"
    return KubernetesError(call, status, reason or f"HTTP{status}", _first_line(text))


def _unreachable(error: Exception, host: str) -> str:
    if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        error = error.reason
    if isinstance(error, urllib3.exceptions.SSLError):
        return f"the TLS connection to {host} failed; check ca_cert and validate_certs"
    # A refused connection is a NewConnectionError, which urllib3 derives from a time-out.
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    if not refused and isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError)):
        return f"{host} did not answer in time"
    return f"no connection to {host}; check kubeconfig, host and network"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:500]
