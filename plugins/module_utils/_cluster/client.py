# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The few calls that the collection makes to the Kubernetes API.

The options, their environment variables and the order in which they are looked at are kubernetes.core's, and
connections are those of the official client; in a pod that is told nothing else, they are our own. Above that stand
plain HTTP calls: kubernetes.core's dynamic client asks the API server for all that it serves (discovery, which fails
when any aggregated API is down) and keeps the answer in a file in /tmp, and the official client's API classes take
0.7 s to import for models that are not needed here.

What always holds: every call has time-outs and bounded retries, and counts when its answer is what was meant.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from .._contract import reasons
from .._contract.answers import METADATA_KIND, Expected, WrongAnswer, parse_deletion, parse_object, parse_page
from .._contract.api_server import describe_refusal
from .._contract.kinds import GROUP, KINDS
from .._contract.ownership import FIELD_MANAGER
from .._contract.reading import mapping_in, text_in
from .._contract.service_account import NoServiceAccount
from .auth_options import AUTH_OPTIONS
from .connection import Connection, is_of_pod, of_pod
from .errors import KubernetesError, malformed, no_cluster, unreachable

try:
    import urllib3
    from urllib3._collections import HTTPHeaderDict
except ImportError:  # reported by _features.runtime.missing_libraries, by name, when a task runs
    urllib3 = None  # type: ignore[assignment]

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
_METADATA_LIST = f"{_JSON};as={METADATA_KIND}List;g=meta.k8s.io;v=v1"

Parsed = TypeVar("Parsed")


class Cluster:
    """One API server; connect() gives it. Its methods may be called from any thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read_object(self, kind: str, namespace: str, name: str) -> dict | None:
        """Return a Secret, ServiceAccount or (with an empty namespace) Namespace, None where there is none.

        Raises KubernetesError.
        """
        plural = f"{kind.lower()}s"
        path, what = _core_path(plural, namespace, name), _object_name(plural, namespace, name)
        try:
            return self._call("get", path, what, partial(parse_object, expected=Expected(kind, name, namespace)))
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
        expected = Expected("TokenRequest", account, namespace, content={"spec": {"audiences": [audience]}})
        return self._call("create", path, what, partial(_parse_token, expected=expected), body=body)

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
        expected = Expected("Secret", name, namespace, content=_written(manifest))
        status, _applied = self._exchange(
            "patch", path, what, partial(parse_object, expected=expected), query, manifest, content=_APPLY
        )
        return status == 201

    def patch_object(self, kind: str, namespace: str, name: str, patch: dict, *, dry_run: bool) -> dict:
        """Apply a JSON merge patch to a Secret or ServiceAccount; return what it became. Raises KubernetesError.

        A resourceVersion in its metadata makes a change since then a conflict (409).
        """
        plural = f"{kind.lower()}s"
        query = {"fieldManager": FIELD_MANAGER, **_dry(dry_run)}
        path, what = _core_path(plural, namespace, name), _object_name(plural, namespace, name)
        parse = partial(parse_object, expected=Expected(kind, name, namespace, content=_written(patch)))
        return self._call("patch", path, what, parse, query, patch, content=_MERGE)

    def delete_secret(self, namespace: str, name: str, version: str, *, dry_run: bool) -> None:
        """Delete a Secret as it was read: one that was changed since is a conflict (409). Raises KubernetesError."""
        # With a body, the API server does not look at the query of a deletion.
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"resourceVersion": version},
            "dryRun": ["All"] if dry_run else [],
        }
        path, what = _core_path("secrets", namespace, name), _object_name("secrets", namespace, name)
        self._call(
            "delete", path, what, partial(parse_deletion, expected=Expected("Secret", name, namespace)), body=body
        )

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
                    expected = Expected(kind, name, namespace, resource["uid"], {"metadata": {"finalizers": after}})
                    parse = partial(parse_object, expected=expected)
                    self._call("patch", path, what, parse, {"fieldManager": FIELD_MANAGER}, patch, content=_MERGE)
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
        parse = partial(parse_page, kind=METADATA_KIND, namespace=namespace)
        for item in self._list(path, f"{plural} in {where}", parse, query, _METADATA_LIST):
            yield item["metadata"]

    def list_service_accounts(self, namespace: str = "") -> Iterator[dict]:
        """Yield the service accounts of a namespace, or without one of the whole cluster. Raises KubernetesError."""
        path, where = _collection("serviceaccounts", namespace)
        parse = partial(parse_page, kind="ServiceAccount", namespace=namespace)
        return self._list(path, f"serviceaccounts in {where}", parse, {})

    def list_resources(self, kind: str, label_selector: str | None = None, namespace: str = "") -> Iterator[dict]:
        """Yield the custom resources of one kind in the whole cluster, or in a namespace. Raises KubernetesError."""
        what = f"{KINDS[kind].plural}.{GROUP} in {f'namespace {namespace}' if namespace else 'all namespaces'}"
        parse = partial(parse_page, kind=kind, namespace=namespace)
        return self._list(_resource_path(kind, namespace), what, parse, {"labelSelector": label_selector})

    def injecting_kinds(self) -> frozenset[str] | None:
        """Return the kinds of custom resources whose Secrets policies of the API server add to pods.

        Empty before Kubernetes 1.36, which has no such policies; None without the right to list them. Raises
        KubernetesError.
        """
        try:
            parse = partial(parse_page, kind="MutatingAdmissionPolicy")
            policies = list(self._list(_POLICIES_PATH, "mutatingadmissionpolicies", parse, {}))
        except KubernetesError as error:
            if error.status == 404:
                return frozenset()
            if error.status == 403:
                return None
            raise
        kinds = (mapping_in(mapping_in(policy, "spec"), "paramKind") for policy in policies)
        return frozenset(text_in(kind, "kind") for kind in kinds if text_in(kind, "apiVersion").startswith(f"{GROUP}/"))

    def read_resource(self, kind: str, namespace: str, name: str) -> dict:
        """Return one custom resource; namespace is empty for a cluster kind. Raises KubernetesError."""
        what = _object_name(f"{KINDS[kind].plural}.{GROUP}", namespace, name)
        parse = partial(parse_object, expected=Expected(kind, name, namespace))
        return self._call("get", _resource_path(kind, namespace, name), what, parse)

    def _list(
        self,
        path: str,
        what: str,
        parse: Callable[[bytes], dict],
        query: Mapping[str, str | None],
        accept: str = _JSON,
    ) -> Iterator[dict]:
        selected = {"limit": PAGE, **{name: value for name, value in query.items() if value}}
        for attempts_left in reversed(range(LIST_ATTEMPTS)):
            try:
                yield from list(self._items(path, what, parse, selected, accept))
                return
            except KubernetesError as error:
                # The API server has forgotten where the list stood: it begins anew.
                if error.status != 410 or not attempts_left:
                    raise

    def _items(
        self, path: str, what: str, parse: Callable[[bytes], dict], query: Mapping, accept: str
    ) -> Iterator[dict]:
        position = None
        while True:
            selected = {**query, "continue": position} if position else query
            page = self._call("list", path, what, parse, selected, accept=accept)
            yield from page["items"]
            position = page["metadata"].get("continue")
            if not position:
                return

    def _call(self, verb: str, path: str, what: str, parse: Callable[[bytes], Parsed], *args, **options) -> Parsed:
        """Make one request and return what it is answered with, as parse reads it."""
        return self._exchange(verb, path, what, parse, *args, **options)[1]

    def _exchange(
        self,
        verb: str,
        path: str,
        what: str,
        parse: Callable[[bytes], Parsed],
        query: Mapping | None = None,
        body: Mapping | None = None,
        *,
        content: str = _JSON,
        accept: str = _JSON,
    ) -> tuple[int, Parsed]:
        """Make one request; return the HTTP status and what parse reads in the answer, which raises WrongAnswer."""
        answer = self._send(verb, path, what, query, body, content, accept)
        try:
            return answer.status, parse(answer.data)
        except WrongAnswer as error:
            raise malformed(f"{verb} {what}", self._connection.host, error) from None

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
        except Exception as error:  # noqa: BLE001 - of urllib3, ssl, http.client and what they call
            text = unreachable(error, host, self._connection.authority, self._connection.proxy)
            raise KubernetesError(call, 0, reasons.UNREACHABLE, text) from None
        if answer.status >= 300:
            trouble = self._connection.token_trouble() if answer.status == 401 else ""
            is_of_kind = verb == "list"
            raise KubernetesError(
                call, *describe_refusal(answer.status, answer.data, is_of_kind=is_of_kind, token_trouble=trouble)
            )
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


def _parse_token(body: bytes, expected: Expected) -> str:
    token = text_in(mapping_in(parse_object(body, expected), "status"), "token")
    if not token:
        raise WrongAnswer("holds no token")
    return token


def _written(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the answer to a write has to hold of its body: not the metadata, which admission may change."""
    return {name: value for name, value in body.items() if name != "metadata"}


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
    return {option: params[option] for option in AUTH_OPTIONS if params.get(option) is not None}


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
