# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The few calls that the collection makes to the Kubernetes API.

The options, their environment variables and the order in which they are looked at are kubernetes.core's, and
connections are those of the official client; in a pod that is told nothing else, they are our own. Above that stand
plain HTTP calls: kubernetes.core's dynamic client asks the API server for all that it serves (discovery, which fails
when any aggregated API is down) and keeps the answer in a file in /tmp, and the official client's API classes take
0.7 s to import for models that are not needed here.

What always holds: every call has time-outs and bounded retries.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote, urlencode

from .._contract import reasons
from .._contract.kinds import GROUP, KINDS
from .._contract.ownership import FIELD_MANAGER
from .._contract.service_account import NoServiceAccount
from .connection import Connection, is_of_pod, of_pod
from .errors import KubernetesError, no_cluster, refusal, unreachable

try:
    import urllib3
    from urllib3._collections import HTTPHeaderDict
except ImportError:  # reported by _features.runtime.missing_libraries, by name, when a task runs
    urllib3 = None  # type: ignore[assignment]

from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 15
PAGE = 500
LIST_ATTEMPTS = 3
CONFLICT_ATTEMPTS = 4
# The least that the API server grants: the token is used at once.
TOKEN_SECONDS = 600
_METHODS = {"patch": "PATCH", "create": "POST", "delete": "DELETE"}
_POLICIES_PATH = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies"
_JSON = "application/json"
# JSON is YAML too.
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_METADATA_LIST = f"{_JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Cluster:
    """One API server; connect() gives it. Its methods may be called from any thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read_object(self, kind: str, namespace: str, name: str) -> dict | None:
        """Return a Secret, ServiceAccount or (with an empty namespace) Namespace, None where there is none.

        Raises KubernetesError.
        """
        plural = f"{kind.lower()}s"
        try:
            return self._call("get", _core_path(plural, namespace, name), _object_name(plural, namespace, name))
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

    def apply_secret(self, manifest: dict, manager: str, *, force: bool, dry_run: bool) -> bool:
        """Server-side apply a Secret as a field manager; return whether it was created. Raises KubernetesError.

        With force fields of other managers are taken over; without, an object of somebody else that has
        other values makes it a conflict (409). A resourceVersion in the manifest makes a change since
        then a conflict too. dry_run asks the API server to go through with all but the storing.
        (https://kubernetes.io/docs/reference/using-api/server-side-apply/)
        """
        name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        query = {"fieldManager": manager, "force": str(force).lower(), **_dry(dry_run)}
        what, path = _object_name("secrets", namespace, name), _core_path("secrets", namespace, name)
        return self._send("patch", path, what, query, manifest, _APPLY).status == 201

    def patch_object(self, kind: str, namespace: str, name: str, patch: dict, *, dry_run: bool) -> dict:
        """Apply a JSON merge patch to a Secret or ServiceAccount; return what it became. Raises KubernetesError.

        A resourceVersion in its metadata makes a change since then a conflict (409).
        """
        plural = f"{kind.lower()}s"
        query = {"fieldManager": FIELD_MANAGER, **_dry(dry_run)}
        path = _core_path(plural, namespace, name)
        return self._call("patch", path, _object_name(plural, namespace, name), query, patch, content=_MERGE)

    def delete_secret(self, namespace: str, name: str, version: str, *, dry_run: bool) -> None:
        """Delete a Secret as it was read: one that was changed since is a conflict (409). Raises KubernetesError."""
        # With a body, the API server does not look at the query of a deletion.
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"resourceVersion": version},
            "dryRun": ["All"] if dry_run else [],
        }
        path = _core_path("secrets", namespace, name)
        self._send("delete", path, _object_name("secrets", namespace, name), {}, body, _JSON)

    def set_finalizer(self, resource: Mapping, finalizer: str, *, is_wanted: bool) -> None:
        """Give a custom resource a finalizer, or take it away; those of others stay.

        resource holds kind, namespace, name and uid. Not by server-side apply: a finalizer that came with a manifest,
        say from a backup, belongs to whoever applied that. Raises KubernetesError; that the resource is gone, or is
        another of its name, is one only where a finalizer is wanted.
        """
        kind, namespace, name = resource["kind"], resource["namespace"], resource["name"]
        what, path = (
            _object_name(f"{KINDS[kind].plural}.{GROUP}", namespace, name),
            _resource_path(kind, namespace, name),
        )
        for attempts_left in reversed(range(CONFLICT_ATTEMPTS)):
            try:
                metadata = self.read_resource(kind, namespace, name)["metadata"]
                if metadata["uid"] != resource["uid"]:
                    raise KubernetesError(f"get {what}", 404, reasons.NOT_FOUND, "another resource has its name now")
                before = metadata.get("finalizers") or []
                after = [*(name for name in before if name != finalizer), *([finalizer] if is_wanted else [])]
                if (finalizer in before) != is_wanted:
                    patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": after}}
                    self._send("patch", path, what, {"fieldManager": FIELD_MANAGER}, patch, _MERGE)
                return
            except KubernetesError as error:
                if error.status == 404 and not is_wanted:
                    return
                if error.status != 409 or not attempts_left:
                    raise

    def list_metadata(
        self, plural: str, label_selector: str | None = None, field_selector: str | None = None, namespace: str = ""
    ) -> Iterator[dict]:
        """Yield the metadata of the objects of a core resource in the whole cluster, of which nothing else is sent.

        With a namespace, of the Secrets in it. Raises KubernetesError.
        """
        query = {"labelSelector": label_selector, "fieldSelector": field_selector}
        path, where = _collection(plural, namespace)
        for item in self._list(path, f"{plural} in {where}", query, _METADATA_LIST):
            yield item["metadata"]

    def list_service_accounts(self, namespace: str = "") -> Iterator[dict]:
        """Yield the service accounts of a namespace, or without one of the whole cluster. Raises KubernetesError."""
        path, where = _collection("serviceaccounts", namespace)
        return self._list(path, f"serviceaccounts in {where}", {})

    def list_resources(self, kind: str, label_selector: str | None = None, namespace: str = "") -> Iterator[dict]:
        """Yield the custom resources of one kind in the whole cluster, or in a namespace. Raises KubernetesError."""
        what = f"{KINDS[kind].plural}.{GROUP} in {f'namespace {namespace}' if namespace else 'all namespaces'}"
        return self._list(_resource_path(kind, namespace), what, {"labelSelector": label_selector})

    def injecting_kinds(self) -> frozenset[str] | None:
        """Return the kinds of custom resources whose Secrets policies of the API server add to pods.

        Empty before Kubernetes 1.36, which has no such policies; None without the right to list them. Raises
        KubernetesError.
        """
        try:
            policies = list(self._list(_POLICIES_PATH, "mutatingadmissionpolicies", {}))
        except KubernetesError as error:
            if error.status == 404:
                return frozenset()
            if error.status == 403:
                return None
            raise
        kinds = (policy["spec"].get("paramKind") or {} for policy in policies)
        return frozenset(kind["kind"] for kind in kinds if kind.get("apiVersion", "").startswith(f"{GROUP}/"))

    def read_resource(self, kind: str, namespace: str, name: str) -> dict:
        """Return one custom resource; namespace is empty for a cluster kind. Raises KubernetesError."""
        what = _object_name(f"{KINDS[kind].plural}.{GROUP}", namespace, name)
        return self._call("get", _resource_path(kind, namespace, name), what)

    def _list(self, path: str, what: str, query: Mapping[str, str | None], accept: str = _JSON) -> Iterator[dict]:
        selected = {"limit": PAGE, **{name: value for name, value in query.items() if value}}
        for attempts_left in reversed(range(LIST_ATTEMPTS)):
            try:
                yield from list(self._items(path, what, selected, accept))
                return
            except KubernetesError as error:
                # The API server has forgotten where the list stood: it begins anew.
                if error.status != 410 or not attempts_left:
                    raise

    def _items(self, path: str, what: str, query: Mapping, accept: str) -> Iterator[dict]:
        position = None
        while True:
            selected = {**query, "continue": position} if position else query
            page = self._call("list", path, what, selected, accept=accept)
            yield from page.get("items") or ()
            position = page["metadata"].get("continue")
            if not position:
                return

    def _call(
        self, verb: str, path: str, what: str, query=None, body=None, content: str = _JSON, accept: str = _JSON
    ) -> dict:
        """Make one request and return the object that it is answered with."""
        answer = self._send(verb, path, what, query, body, content, accept)
        try:
            found = json.loads(answer.data)
        except ValueError:
            found = None
        if not isinstance(found, dict) or not isinstance(found.get("metadata"), dict):
            text = f"{self._connection.host} did not answer with an object in JSON"
            raise KubernetesError(f"{verb} {what}", 0, reasons.MALFORMED_ANSWER, text)
        return found

    def _send(self, verb: str, path: str, what: str, query, body, content: str, accept: str = _JSON):
        """Make one request; verb is the one of RBAC, content the media type of the body."""
        call, host = f"{verb} {what}", self._connection.host
        try:
            answer = self._connection.pool.request(
                _METHODS.get(verb, "GET"),
                f"{host}{path}?{urlencode(query or {})}",
                body=json.dumps(body) if body else None,
                headers=self._request_headers(accept, content if body else None),
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            text = unreachable(error, host, self._connection.authority, self._connection.proxy)
            raise KubernetesError(call, 0, reasons.UNREACHABLE, text) from None
        if answer.status >= 300:
            raise refusal(call, answer.status, answer.data)
        return answer

    def _request_headers(self, accept: str, content: str | None):
        headers = HTTPHeaderDict(Accept=accept)
        if content:
            headers["Content-Type"] = content
        for name, value in self._connection.headers.items():
            for text in value if isinstance(value, list) else [value]:
                headers.add(name, text)
        token = self._connection.token()
        if token:
            headers["Authorization"] = token
        return headers


def _core_path(plural: str, namespace: str, name: str) -> str:
    within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    return f"/api/v1{within}/{plural}/{quote(name, safe='')}"


def _collection(plural: str, namespace: str) -> tuple[str, str]:
    """Return the path of what is to be listed, and where that is, for a person."""
    if not namespace:
        return f"/api/v1/{plural}", "the cluster"
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/{plural}", f"namespace {namespace}"


def _resource_path(kind: str, namespace: str = "", name: str = "") -> str:
    within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    path = f"/apis/{GROUP}/{KINDS[kind].version}{within}/{KINDS[kind].plural}"
    return path + (f"/{quote(name, safe='')}" if name else "")


def _object_name(plural: str, namespace: str, name: str) -> str:
    return f"{plural}/{name}" + (f" in namespace {namespace}" if namespace else "")


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def connect(params: dict) -> Cluster:
    """Return the cluster that kubernetes.core's authentication options name.

    params may hold any of them, and other options besides; those that are absent come from K8S_AUTH_* variables, then
    from the service account of the pod, then from the kubeconfig. The connection is kept for the next call with the
    same params: reading a kubeconfig and greeting the API server takes longer than writing a Secret. A
    forked process gets one of its own, for two must not talk over one TLS connection.

    Raises KubernetesError when no cluster is named.
    """
    return _connect(json.dumps(_given(params), sort_keys=True), os.getpid())


def load_ahead(params: dict) -> None:
    """Import what connect() with these params needs: a process does so before it forks, lest each worker has to."""
    if not is_of_pod(_given(params)):
        from . import kubernetes_core  # noqa: F401


def _given(params: dict) -> dict:
    return {option: params[option] for option in AUTH_ARG_SPEC if params.get(option) is not None}


@lru_cache(maxsize=8)
def _connect(params_json: str, _pid: int) -> Cluster:
    return Cluster(_connection(json.loads(params_json)))


def _connection(given: dict) -> Connection:
    if not is_of_pod(given):
        return _named_by(given)
    try:
        return of_pod()
    except NoServiceAccount as error:
        # As kubernetes.core does, which looks for a kubeconfig next: a pod may have one instead.
        try:
            return _named_by(given)
        except KubernetesError as other:
            raise no_cluster(f"{error} ({other.text})") from None


def _named_by(given: dict) -> Connection:
    # Not at the top: with it comes the official client, which takes 11 MB, and a pod can do without it.
    from .kubernetes_core import load

    return load(given)
