# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Kubernetes backend: the few calls that the collection makes, and their errors worded for a person.

The options, their environment variables and the order in which they are looked at are kubernetes.core's.
Its dynamic client is not used: that asks the API server for all that it serves (discovery, which fails
when any aggregated API is down) and keeps the answer in a file in /tmp.

What always holds: every call has time-outs and bounded retries; client keys that a kubeconfig holds inline
are on disk, where the TLS library wants them, no longer than the connection lives.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.kube_ecr.secrets.plugins.module_utils._resources import GROUP, VERSION

try:
    import urllib3
    import yaml
    from kubernetes.client import ApiClient, CoreV1Api, CustomObjectsApi
    from kubernetes.client.exceptions import ApiException
    from kubernetes.config import ConfigException, kube_config
    from urllib3.util.retry import Retry
except ImportError:  # reported by _module.missing_libraries, by name, when a task runs
    ApiClient = None

from ansible_collections.kubernetes.core.plugins.module_utils.k8s import client as core_client

FIELD_MANAGER = "kube-ecr-secrets"
TIMEOUT = (5, 15)
PAGE = 500


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


class Cluster:
    """One API server, for the time of one with block of connect()."""

    def __init__(self, client: ApiClient) -> None:
        self._core = CoreV1Api(client)
        self._custom = CustomObjectsApi(client)

    def read_secret(self, namespace: str, name: str) -> dict | None:
        """Return a Secret as the API server gives it, or None where there is none. Raises KubernetesError."""
        try:
            return self._call(
                f"get secrets/{name} in namespace {namespace}",
                self._core.read_namespaced_secret,
                name,
                namespace,
            )
        except KubernetesError as error:
            if error.status == 404:
                return None
            raise

    def apply_secret(self, manifest: dict, *, force: bool, dry_run: bool) -> dict:
        """Server-side apply a Secret and return what it became. Raises KubernetesError.

        With force fields of other managers are taken over; without, an object of somebody else that has
        other values makes it a conflict (409). A resourceVersion in the manifest makes a change since
        then a conflict too. dry_run asks the API server to go through with all but the storing.
        """
        name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        return self._call(
            f"patch secrets/{name} in namespace {namespace}",
            self._core.patch_namespaced_secret,
            name,
            namespace,
            manifest,
            field_manager=FIELD_MANAGER,
            force=force,
            dry_run="All" if dry_run else None,
            _content_type="application/apply-patch+yaml",
        )

    def list_resources(self, plural: str, label_selector: str | None = None) -> Iterator[dict]:
        """Yield the custom resources of one kind in the whole cluster. Raises KubernetesError."""
        position = None
        while True:
            page = self._call(
                f"list {plural}.{GROUP} in all namespaces",
                self._custom.list_cluster_custom_object,
                GROUP,
                VERSION,
                plural,
                label_selector=label_selector,
                limit=PAGE,
                _continue=position,
            )
            yield from page["items"]
            position = page["metadata"].get("continue")
            if not position:
                return

    def read_resource(self, plural: str, namespace: str, name: str) -> dict:
        """Return one custom resource; namespace is empty for the cluster kind. Raises KubernetesError."""
        call = f"get {plural}.{GROUP}/{name}" + (f" in namespace {namespace}" if namespace else "")
        if namespace:
            return self._call(call, self._custom.get_namespaced_custom_object, GROUP, VERSION, namespace, plural, name)
        return self._call(call, self._custom.get_cluster_custom_object, GROUP, VERSION, plural, name)

    @staticmethod
    def _call(call: str, function, *args, **kwargs) -> dict:
        given = {key: value for key, value in kwargs.items() if value is not None}
        try:
            answer = function(*args, _preload_content=False, _request_timeout=TIMEOUT, **given)
            return json.loads(answer.data)
        except ApiException as error:
            raise _from_api_exception(call, error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise KubernetesError(call, 0, "Unreachable", _unreachable(error)) from None
        except ValueError:
            raise KubernetesError(call, 0, "MalformedAnswer", "the API server did not answer in JSON") from None


@contextmanager
def connect(params: dict) -> Iterator[Cluster]:
    """Yield the cluster that kubernetes.core's authentication options name.

    params may hold any of them; those that are absent come from K8S_AUTH_* variables, then from the
    service account of the pod, then from the kubeconfig. Raises KubernetesError when there is none.
    """
    try:
        # kubernetes.core has no public function that stops short of discovery.
        auth = core_client._create_auth_spec(**params)
        headers = core_client._create_headers(**params)
        configuration = core_client._create_configuration(auth)
    except (ConfigException, OSError, ValueError, TypeError) as error:
        raise KubernetesError("read the kubeconfig", 0, "NoCluster", _first_line(str(error))) from None
    except yaml.YAMLError:  # its text quotes the file, which may hold a token
        raise KubernetesError("read the kubeconfig", 0, "NoCluster", "it is not valid YAML") from None
    configuration.retries = Retry(
        total=3,
        backoff_factor=0.2,
        backoff_jitter=0.2,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        raise_on_status=False,
    )
    # Namespaces are served in parallel over this one client.
    configuration.connection_pool_maxsize = 16
    client = ApiClient(configuration)
    for name, value in headers.items():
        core_client._set_header(client, name, value)
    try:
        yield Cluster(client)
    finally:
        client.rest_client.pool_manager.clear()
        # What the library itself does at interpreter exit, which never comes in a forked worker.
        kube_config._cleanup_temp_files()


def _from_api_exception(call: str, error: ApiException) -> KubernetesError:
    """Word an answer that is no success; one that is no Status (a proxy's HTML, say) is not quoted."""
    try:
        status = json.loads(error.body)
        reason, text = status.get("reason") or "", status["message"]
    except (ValueError, KeyError, TypeError, AttributeError):
        reason, text = "", f"the server answered with HTTP status {error.status}"
    return KubernetesError(call, error.status, reason or f"HTTP{error.status}", _first_line(text))


def _unreachable(error: Exception) -> str:
    if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        error = error.reason
    if isinstance(error, urllib3.exceptions.SSLError):
        return "the TLS connection to the API server failed; check ca_cert and validate_certs"
    if isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError)):
        return "the API server did not answer in time"
    return "no connection to the API server; check kubeconfig, host and network"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:500]
