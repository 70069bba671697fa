"""The Kubernetes backend: the few calls that the runner makes.

What always holds: every call has time-outs and bounded retries, and counts when its answer is what was meant; no error
text quotes an object.

The library's own API classes are not used: they cannot ask for metadata alone.
"""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from urllib.parse import quote, urlencode

import urllib3
from urllib3.util.retry import Retry

from kube_ecr_runner import PROGRAM
from kube_ecr_runner.cluster.connection import Access, of_pod
from kube_ecr_runner.cluster.errors import KubernetesError, malformed, unreachable_because
from kube_ecr_runner.cluster.lease import Lease
from kube_ecr_runner.cluster.reviews import Reviews
from kube_ecr_runner.cluster.sources import Source
from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.answers import (
    METADATA_KIND,
    Expected,
    WrongAnswer,
    parse_object,
    parse_page,
    parse_success,
)
from kube_ecr_runner.contract.api_server import describe_refusal, is_in_pod
from kube_ecr_runner.contract.kinds import KINDS, api_version
from kube_ecr_runner.contract.timestamps import format_micro_time
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.pod import Pod
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.waiting_pod import Owner, WaitingPod

FIELD_MANAGER = PROGRAM
PAGE = 500
CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
# Statuses and events are written by the work loop, which has other things to do than to wait.
WRITE_SECONDS = 8.0
# A watch that brings nothing is followed by a list: so each change is seen within three minutes, whatever watches do.
WATCH_SECONDS = (140, 170)
# How long a kubeconfig, or a token, that was read anew after a 401 is believed to be the newest.
RELOAD_SECONDS = 5.0
MAX_NOTE = 1024

_READ_RETRIES = Retry(
    total=3,
    backoff_factor=0.2,
    backoff_jitter=0.2,
    status_forcelist=(429, 500, 502, 503, 504),
    raise_on_status=False,
    respect_retry_after_header=False,
)
# Server-side apply may be repeated; an event that was sent twice would be shown twice.
_APPLY_RETRIES = _READ_RETRIES.new(total=1, allowed_methods=None)
_EVENT_RETRIES = _APPLY_RETRIES.new(read=0, status=0, other=0)
_READ_TIMEOUT = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
_WRITE_TIMEOUT = urllib3.Timeout(connect=CONNECT_SECONDS, read=WRITE_SECONDS)
# What makes a conflict of an apply that names a uid say that the object is gone. Another conflict passes.
_GONE = "no existing object was found"
# What it says of a field that the custom resource definition does not have.
_UNDECLARED = "field not declared in schema"
_UPGRADE = (
    "the custom resource definitions are of another version; apply those of this one: "
    "kubectl apply --server-side --force-conflicts -f crds/, or upgrade the chart with crds.enabled=true"
)
_JSON = "application/json"
_METADATA_LIST = f"{_JSON};as={METADATA_KIND}List;g=meta.k8s.io;v=v1"
_METADATA = f"{_JSON};as={METADATA_KIND};g=meta.k8s.io;v=v1"


class Cluster:
    """One API server. Its methods may be called from any thread."""

    def __init__(self, access: Access, reload: Callable[[], Access] | None = None, *, silence: float) -> None:
        """reload gives another way there when the API server does not know who comes by this one (401).

        silence is for how many seconds a watch may say nothing.
        """
        self.url = access.url
        self._silence = silence
        self._access = access
        self._reload = reload
        self._reload_at = 0.0
        self._reload_trouble = ""
        self._reloading = threading.Lock()
        self._instance = socket.gethostname()

    @classmethod
    def connect(cls, kubeconfig: str | None, context: str | None, *, silence: float) -> Cluster:
        """Return the cluster of a kubeconfig, or of the pod that this runs in if none is named.

        Without both, $KUBECONFIG or ~/.kube/config is read. Nothing is sent yet. Raises NoClusterError.
        """
        load = partial(_way_to, kubeconfig, context)
        return cls(load(), load, silence=silence)

    def list_pages(self, source: Source) -> Iterator[dict]:
        """Yield all objects of a source, page by page, as the API server gives them. Raises KubernetesError."""
        position = ""
        while True:
            query = _selected(source) | {"limit": source.page or PAGE} | ({"continue": position} if position else {})
            accept = _METADATA_LIST if source.metadata_only else _JSON
            parse = partial(parse_page, kind=source.object_kind, namespace=source.namespace)
            page = self._call(f"list {source.name}", "GET", source.path, query, parse, accept=accept, is_of_kind=True)
            yield page
            position = page["metadata"].get("continue", "")
            if not position:
                return

    def open_watch(self, source: Source, version: str) -> urllib3.BaseHTTPResponse:
        """Return the stream of what happens to a source after a resourceVersion. Raises KubernetesError.

        A stream that says nothing for too long raises urllib3's ReadTimeoutError.
        """
        seconds = random.randint(*WATCH_SECONDS)  # noqa: S311 (a spread, no secret)
        query = _selected(source) | {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": seconds,
        }
        return self._send(
            f"watch {source.name}",
            "GET",
            source.path,
            query,
            accept=_METADATA if source.metadata_only else _JSON,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=self._silence),
            retries=Retry(0),
            preload=False,
            is_of_kind=True,
        )

    def apply_status(self, resource: Resource, status: Mapping) -> bool:
        """Write the status of a resource; return False if it is not there any more. Raises KubernetesError."""
        key = resource.key
        metadata = {"name": key.name, "uid": resource.uid} | ({"namespace": key.namespace} if key.namespace else {})
        body = {"apiVersion": api_version(key.kind), "kind": key.kind, "metadata": metadata, "status": status}
        scope = f"/namespaces/{quote(key.namespace)}" if key.namespace else ""
        path = f"/apis/{api_version(key.kind)}{scope}/{KINDS[key.kind].plural}/{quote(key.name)}/status"
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        expected = Expected(key.kind, key.name, key.namespace, resource.uid, {"status": status})
        try:
            self._call(
                f"write the status of {key}",
                "PATCH",
                path,
                query,
                partial(parse_object, expected=expected),
                body=body,
                content="application/apply-patch+yaml",
                timeout=_WRITE_TIMEOUT,
                retries=_APPLY_RETRIES,
            )
        except KubernetesError as error:
            if error.status == 404 or (error.status == 409 and _GONE in error.text):
                return False
            if _UNDECLARED in error.text:
                raise KubernetesError(error.call, error.status, error.reason, f"{error.text} ({_UPGRADE})") from None
            raise
        return True

    def create_event(self, resource: Resource, event: Event, now: datetime) -> str:
        """Tell an event of a resource, so that `kubectl describe` shows it; return its name. Raises KubernetesError."""
        key = resource.key
        regarding = {
            "apiVersion": api_version(key.kind),
            "kind": key.kind,
            "name": key.name,
            "uid": resource.uid,
        }
        regarding |= {"namespace": key.namespace} if key.namespace else {}
        return self._create_event(f"write an event of {key}", _event_namespace(key), regarding, "Reconcile", event, now)

    def create_owner_event(self, owner: Owner, namespace: str, event: Event, now: datetime) -> str:
        """Tell an event of the controller of a pod, as create_event() does. Raises KubernetesError."""
        regarding = {
            "apiVersion": owner.api_version,
            "kind": owner.kind,
            "name": owner.name,
            "uid": owner.uid,
            "namespace": namespace,
        }
        call = f"write an event of {owner.kind} {namespace}/{owner.name}"
        return self._create_event(call, namespace, regarding, "Evict", event, now)

    def repeat_event(self, resource: Resource, name: str, count: int, now: datetime) -> bool:
        """Tell that the event of that name happened again, count times by now; return False if it is not there.

        Raises KubernetesError.
        """
        namespace = _event_namespace(resource.key)
        try:
            self._call(
                f"count an event of {resource.key}",
                "PATCH",
                f"{_events_in(namespace)}/{quote(name)}",
                {},
                partial(parse_object, expected=Expected("Event", name, namespace)),
                body={"series": {"count": count, "lastObservedTime": format_micro_time(now)}},
                content="application/merge-patch+json",
                timeout=_WRITE_TIMEOUT,
                retries=_APPLY_RETRIES,
            )
        except KubernetesError as error:
            if error.status == 404:
                return False
            if error.status == 403:
                # The text of the API server names the event, so that it would be another one each time.
                text = "events that repeat are not counted; grant the runner patch of events.events.k8s.io"
                raise KubernetesError("count an event", 403, error.reason, text) from None
            raise
        return True

    def evict_pod(self, pod: WaitingPod) -> bool:
        """Evict a pod, if it still is the one that was seen; return whether that was done. Raises KubernetesError.

        It was not if the pod is gone or has changed, or if a disruption budget is in the way, which may pass.
        """
        preconditions = {"uid": pod.uid, "resourceVersion": pod.version}
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"namespace": pod.namespace, "name": pod.name},
            "deleteOptions": {"preconditions": preconditions},
        }
        try:
            path = f"/api/v1/namespaces/{quote(pod.namespace)}/pods/{quote(pod.name)}/eviction"
            self._create(f"evict pod {pod}", path, body, parse_success)
        except KubernetesError as error:
            if error.status in (404, 409, 429):
                return False
            if error.status == 403:
                # The text of the API server names the pod, so that it would be another one each time.
                text = "no pod is evicted; grant the runner create of pods/eviction (chart: runner.recoverPods=true)"
                raise KubernetesError("evict a pod", 403, error.reason, text) from None
            raise
        return True

    def lease(self, namespace: str, name: str, pod: Pod | None) -> Lease:
        """Return the Lease of that name, whether it is there or not; pod owns it while this runner holds it."""
        return Lease(self._call, namespace, name, pod)

    def reviews(self) -> Reviews:
        """Return what asks the API server who shows a token, and what they may do."""
        return Reviews(self._call)

    def _create_event(
        self, call: str, namespace: str, regarding: Mapping[str, str], action: str, event: Event, now: datetime
    ) -> str:
        name = f"{regarding['name'][:200]}.{time.time_ns():x}"
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "eventTime": format_micro_time(now),
            "reportingController": FIELD_MANAGER,
            "reportingInstance": self._instance[:128],
            "action": action,
            "type": event.type,
            "reason": event.reason,
            "note": _clip(event.message, MAX_NOTE),
            "regarding": regarding,
        }
        self._create(
            call, _events_in(namespace), body, partial(parse_object, expected=Expected("Event", name, namespace))
        )
        return name

    def _create(self, call: str, path: str, body: Mapping, parse: Callable[[bytes], object]) -> None:
        """Make an object; it is not sent again where the API server may have taken it."""
        options = {"content": _JSON, "timeout": _WRITE_TIMEOUT, "retries": _EVENT_RETRIES}
        self._call(call, "POST", path, {}, parse, body=body, **options)

    def _call[T](self, call: str, method: str, path: str, query: Mapping, parse: Callable[[bytes], T], **options) -> T:
        """Make one request; return what parse reads in the answer, which raises WrongAnswer."""
        answer = self._send(call, method, path, query, **options)
        try:
            return parse(answer.data)
        except WrongAnswer as error:
            raise malformed(call, self.url, error) from None

    def _send(
        self,
        call: str,
        method: str,
        path: str,
        query: Mapping,
        *,
        accept: str = _JSON,
        body: Mapping | None = None,
        content: str = "",
        timeout: urllib3.Timeout = _READ_TIMEOUT,
        retries: Retry = _READ_RETRIES,
        preload: bool = True,
        is_of_kind: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        access = self._access
        request = partial(
            self._request,
            method=method,
            target=f"{path}?{urlencode(query)}",
            headers={"Accept": accept} | ({"Content-Type": content} if content else {}),
            body=None if body is None else json.dumps(body).encode(),
            timeout=timeout,
            retries=retries,
            preload_content=preload,
            redirect=False,
        )
        try:
            answer = request(access)
            if answer.status == 401 and (renewed := self._renewed(access)):
                answer.drain_conn()
                answer = request(renewed)
            refused = answer.data if answer.status >= 300 else b""
        except Exception as error:  # noqa: BLE001 - of urllib3, ssl, http.client and what they call
            text = unreachable_because(error, self.url, access.authority, access.proxy)
            raise KubernetesError(call, 0, reasons.UNREACHABLE, text) from None
        if answer.status >= 300:
            trouble = access.token_trouble() or self._reload_trouble if answer.status == 401 else ""
            raise KubernetesError(
                call, *describe_refusal(answer.status, refused, is_of_kind=is_of_kind, token_trouble=trouble)
            )
        return answer

    def _request(
        self, access: Access, *, method: str, target: str, headers: dict[str, str], **options
    ) -> urllib3.BaseHTTPResponse:
        return access.pool.request(method, f"{access.url}{target}", headers=access.headers() | headers, **options)

    def _renewed(self, access: Access) -> Access | None:
        """Return the way to the API server as it stands in the files now, None if that is no other one."""
        with self._reloading:
            if self._access is not access:
                return self._access  # another thread was faster
            now = time.monotonic()
            if self._reload is None or now < self._reload_at:
                return None
            self._reload_at = now + RELOAD_SECONDS
            try:
                self._access = self._reload()
            except KubernetesError as error:
                # A file may just be being written: what stood there lives on.
                self._reload_trouble = error.text
                return None
            self._reload_trouble = ""
            return self._access


def _way_to(kubeconfig: str | None, context: str | None) -> Access:
    """Return what Cluster.connect() describes. Raises NoClusterError."""
    if not kubeconfig and not context and is_in_pod(os.environ):
        return of_pod()
    # Not at the top: the official client takes a third of the runner's memory, and a pod can do without it.
    from kube_ecr_runner.cluster.kubeconfig import load

    return load(kubeconfig, context)


def _events_in(namespace: str) -> str:
    return f"/apis/events.k8s.io/v1/namespaces/{quote(namespace)}/events"


def _event_namespace(key: Key) -> str:
    """Events are namespaced; those of cluster resources are where client-go puts them."""
    return key.namespace or "default"


def _selected(source: Source) -> dict[str, object]:
    selectors = {"fieldSelector": source.selector, "labelSelector": source.labels}
    return {name: selector for name, selector in selectors.items() if selector}


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
