"""The Kubernetes backend: the few calls that the runner makes, its watches, and their errors worded for a person.

What always holds: every call has time-outs and bounded retries, and no error text quotes an object. Objects are
handed on only through the parser of their source, so that what must not stay in memory does not.

The library's own API classes and informer are not used: the former cannot ask for metadata alone, the latter takes
no dicts, does not back off and has no time-out of its own.
"""

from __future__ import annotations

import json
import logging
import os
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies

import urllib3
import yaml
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import ConfigException, kube_config, load_incluster_config, load_kube_config
from urllib3.util.retry import Retry
from urllib3.util.ssl_ import create_urllib3_context

from kube_ecr_runner.logs import fields
from kube_ecr_runner.marks import GROUP
from kube_ecr_runner.resources import (
    LEGACY_KIND,
    PLURALS,
    Key,
    ReferenceKind,
    Resource,
    api_version,
    parse_namespace,
    parse_referenced,
)
from kube_ecr_runner.status import Event
from kube_ecr_runner.times import format_micro_time

FIELD_MANAGER = "kube-ecr-runner"
PAGE = 500
CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
# Statuses and events are written by the work loop, which has other things to do than to wait.
WRITE_SECONDS = 8.0
# Of a call about a Lease, from its begin to its end.
LEASE_SECONDS = 2.0
WATCH_SECONDS = (240, 300)
# What brings nothing and is over sooner was no watch.
WATCH_LEAST_SECONDS = 1.0
# The API server sends a bookmark about once a minute, so a watch that hears nothing for longer may be dead.
# https://kubernetes.io/docs/reference/using-api/api-concepts/#watch-bookmarks
SILENCE_SECONDS = 90.0
# How long a kubeconfig, or a token, that was read anew after a 401 is believed to be the newest.
RELOAD_SECONDS = 5.0
RELIST_SECONDS = (1.0, 30.0)
# A right or an optional kind that is missing comes from a person, who may wait: it is asked for again at this pace in
# the end.
FORBIDDEN_SECONDS = 180.0
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
_JSON = "application/json"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

_log = logging.getLogger(__name__)


class KubernetesError(Exception):
    """A call to the API server came to nothing.

    status is the HTTP status, 0 when there was no answer; reason a word in CamelCase; text says why, for a person.
    """

    def __init__(self, call: str, status: int, reason: str, text: str) -> None:
        super().__init__(f"{call}: {text}")
        self.status = status
        self.reason = reason
        self.text = text


@dataclass(frozen=True)
class Source:
    """Objects of one kind in the whole cluster, or in a namespace, or those of them that selectors pick.

    kind is that of custom resources, selector is one of fields, labels one of labels.

    parse makes of each what is handed on; absent is what to do when the API server does not know the kind, unseen
    what does not work for someone who may not read it, where the rest does. optional is what the rest works without,
    because a cluster need not know the kind, or RBAC not grant it: nobody waits for a list of it.
    """

    name: str
    path: str
    parse: Callable[[Mapping], object]
    metadata_only: bool = False
    absent: str = ""
    selector: str = ""
    unseen: str = ""
    optional: bool = False
    kind: str = ""
    namespace: str = ""
    labels: str = ""


NAMESPACES = Source(
    "namespaces",
    "/api/v1/namespaces",
    parse_namespace,
    metadata_only=True,
    optional=True,
    unseen=(
        "a namespace that appears, is relabelled or goes is noticed only when the custom resources are refreshed; "
        "grant the runner list and watch of namespaces for it to be noticed at once"
    ),
)


def resources_of(kind: str, namespace: str = "", labels: str = "") -> Source:
    """Return the source of the custom resources of a kind: all, or those of a namespace or with labels.

    With a namespace, a Role in it is enough.
    """
    plural = PLURALS[kind]
    return Source(
        name=_named(f"{plural}.{GROUP}", namespace),
        path=_collection(f"/apis/{api_version(kind)}", namespace, plural),
        parse=Resource.parse,
        kind=kind,
        namespace=namespace,
        labels=labels,
        optional=kind == LEGACY_KIND,
        absent=(
            f"the custom resource definition {plural}.{GROUP} is not installed; install it with "
            f"'kubectl apply -f crds/' from the folder of the collection kube_ecr.secrets"
        ),
    )


_REFERENCED = {
    "Secret": ("secrets", partial(parse_referenced, "Secret")),
    "ServiceAccount": ("serviceaccounts", partial(parse_referenced, "ServiceAccount")),
}


def objects_named(kind: ReferenceKind, name: str, namespace: str = "") -> Source:
    """Return the source of the objects of one kind and name in all namespaces, or one; of Secrets, the metadata alone.

    An empty name stands for all of that kind. With one name, RBAC that grants it by resourceNames is enough:
    https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources
    """
    plural, parse = _REFERENCED[kind]
    return Source(
        name=_named(f"{plural}/{name or '*'}", namespace),
        path=_collection("/api/v1", namespace, plural),
        parse=parse,
        namespace=namespace,
        metadata_only=kind == "Secret",
        selector=name and f"metadata.name={name}",
        unseen=(
            f"a change of {kind} {name or '*'} is noticed only when the custom resources that name it are refreshed; "
            f"grant the runner list and watch of {plural} for it to be noticed at once"
        ),
    )


def _named(name: str, namespace: str) -> str:
    return f"{name} in {namespace}" if namespace else name


def _collection(api: str, namespace: str, plural: str) -> str:
    return f"{api}/namespaces/{quote(namespace)}/{plural}" if namespace else f"{api}/{plural}"


@dataclass(frozen=True)
class Listed:
    """All objects of a source at one moment: one that is not among them is gone."""

    source: Source
    objects: tuple


@dataclass(frozen=True)
class Changed:
    """One object of a source was added or modified, or is gone."""

    source: Source
    object: object
    is_gone: bool


class Access:
    """The way to an API server as a kubeconfig, or the service account of a pod, describes it at one moment."""

    def __init__(self, configuration: Configuration, tls: ssl.SSLContext | None = None) -> None:
        """Take the official client's Configuration, and what replaces its certificates and keys if given."""
        configuration.connection_pool_maxsize = 8
        use_proxy_of_environment(configuration, getproxies())
        self.url = configuration.host.rstrip("/")
        self.pool = RESTClientObject(configuration).pool_manager
        self._configuration = configuration
        if tls:
            for name in ("ca_certs", "ca_cert_data", "cert_file", "key_file"):
                self.pool.connection_pool_kw.pop(name, None)
            self.pool.connection_pool_kw["ssl_context"] = tls

    @classmethod
    def load(cls, kubeconfig: str | None, context: str | None) -> Access:
        """See Cluster.connect()."""
        configuration = Configuration()
        try:
            if is_in_cluster(kubeconfig, context):
                load_incluster_config(configuration)
                return cls(configuration)
            load_kube_config(kubeconfig, context, configuration, persist_config=False)
            return cls(configuration, _tls(configuration))
        except yaml.YAMLError:  # its text quotes the file, which may hold a token
            raise _no_cluster("the kubeconfig is not valid YAML", kubeconfig) from None
        except (TypeError, KeyError, AttributeError):
            raise _no_cluster("the kubeconfig has not the form of one", kubeconfig) from None
        except (ConfigException, OSError, ValueError) as error:
            raise _no_cluster(str(error).strip().partition("\n")[0], kubeconfig) from None
        finally:
            kube_config._cleanup_temp_files()

    def headers(self) -> dict[str, str]:
        """Return those of each request. A token that ends in a newline is no header."""
        try:
            # The official client reads the file of a service account's token once a minute.
            auth = self._configuration.auth_settings().get("BearerToken") or {}
            token = auth.get("value")
        except (ConfigException, OSError, ValueError):
            # The file is just being written: what stood there lives on for a while.
            token = self._configuration.api_key.get("BearerToken")
        token = (token or "").strip()
        return {"Authorization": token, "User-Agent": FIELD_MANAGER} if token else {"User-Agent": FIELD_MANAGER}


class Cluster:
    """One API server. Its methods may be called from any thread."""

    def __init__(
        self, access: Access, reload: Callable[[], Access] | None = None, *, silence: float = SILENCE_SECONDS
    ) -> None:
        """reload gives another way there when the API server does not know who comes by this one (401).

        silence is for how many seconds a watch may say nothing.
        """
        self.url = access.url
        self._silence = silence
        self._access = access
        self._reload = reload
        self._reload_at = 0.0
        self._reloading = threading.Lock()
        self._instance = socket.gethostname()

    @classmethod
    def connect(cls, kubeconfig: str | None, context: str | None, *, silence: float = SILENCE_SECONDS) -> Cluster:
        """Return the cluster of a kubeconfig, or of the pod that this runs in if none is named.

        Without both, $KUBECONFIG or ~/.kube/config is read. Nothing is sent yet. Raises KubernetesError.
        """
        load = partial(Access.load, kubeconfig, context)
        return cls(load(), load, silence=silence)

    def list_pages(self, source: Source) -> Iterator[dict]:
        """Yield all objects of a source, page by page, as the API server gives them. Raises KubernetesError."""
        position = ""
        while True:
            query = _selected(source) | {"limit": PAGE} | ({"continue": position} if position else {})
            accept = _METADATA_LIST if source.metadata_only else _JSON
            page = self._call(f"list {source.name}", "GET", source.path, query, accept=accept)
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
        )

    def apply_status(self, resource: Resource, status: Mapping) -> bool:
        """Write the status of a resource; return False if it is not there any more. Raises KubernetesError."""
        key = resource.key
        metadata = {"name": key.name, "uid": resource.uid} | ({"namespace": key.namespace} if key.namespace else {})
        body = {"apiVersion": api_version(key.kind), "kind": key.kind, "metadata": metadata, "status": status}
        scope = f"/namespaces/{quote(key.namespace)}" if key.namespace else ""
        path = f"/apis/{api_version(key.kind)}{scope}/{PLURALS[key.kind]}/{quote(key.name)}/status"
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        try:
            self._call(
                f"write the status of {key}",
                "PATCH",
                path,
                query,
                body=body,
                content="application/apply-patch+yaml",
                timeout=_WRITE_TIMEOUT,
                retries=_APPLY_RETRIES,
            )
        except KubernetesError as error:
            if error.status == 404 or (error.status == 409 and _GONE in error.text):
                return False
            raise
        return True

    def create_event(self, resource: Resource, event: Event, now: datetime) -> str:
        """Tell an event of a resource, so that `kubectl describe` shows it; return its name. Raises KubernetesError."""
        key = resource.key
        name = f"{key.name[:200]}.{time.time_ns():x}"
        regarding = {
            "apiVersion": api_version(key.kind),
            "kind": key.kind,
            "name": key.name,
            "uid": resource.uid,
        }
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": _event_namespace(key)},
            "eventTime": format_micro_time(now),
            "reportingController": FIELD_MANAGER,
            "reportingInstance": self._instance[:128],
            "action": "Reconcile",
            "type": event.type,
            "reason": event.reason,
            "note": _clip(event.message, MAX_NOTE),
            "regarding": regarding | ({"namespace": key.namespace} if key.namespace else {}),
        }
        self._call(
            f"write an event of {key}",
            "POST",
            _events_path(key),
            {},
            body=body,
            content=_JSON,
            timeout=_WRITE_TIMEOUT,
            retries=_EVENT_RETRIES,
        )
        return name

    def repeat_event(self, resource: Resource, name: str, count: int, now: datetime) -> bool:
        """Tell that the event of that name happened again, count times by now; return False if it is not there.

        Raises KubernetesError.
        """
        try:
            self._call(
                f"count an event of {resource.key}",
                "PATCH",
                f"{_events_path(resource.key)}/{quote(name)}",
                {},
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

    def lease(self, namespace: str, name: str) -> Lease:
        """Return the Lease of that name, whether it is there or not."""
        return Lease(self._call, namespace, name)

    def _call(self, call: str, method: str, path: str, query: Mapping, **options) -> dict:
        answer = self._send(call, method, path, query, **options)
        try:
            content = json.loads(answer.data)
        except ValueError:
            raise KubernetesError(call, 0, "MalformedAnswer", "the API server did not answer in JSON") from None
        if not isinstance(content, dict) or not isinstance(content.get("metadata"), dict):
            raise KubernetesError(call, 0, "MalformedAnswer", "the answer of the API server is no object")
        return content

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
        )
        try:
            answer = request(access)
            if answer.status == 401 and (renewed := self._renewed(access)):
                answer.drain_conn()
                answer = request(renewed)
            if answer.status >= 400:
                raise _refused(call, answer.status, answer.data)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise KubernetesError(call, 0, "Unreachable", self._unreachable(error)) from None
        return answer

    def _request(
        self, access: Access, *, method: str, target: str, headers: Mapping, **options
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
            except KubernetesError:
                return None  # a file is just being written
            return self._access

    def _unreachable(self, error: Exception) -> str:
        if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
            error = error.reason
        if isinstance(error, ValueError):
            return "the token cannot be sent; is it one?"
        if isinstance(error, urllib3.exceptions.SSLError):
            return f"the TLS connection to {self.url} failed; check the certificates in the kubeconfig"
        if isinstance(error, (urllib3.exceptions.ReadTimeoutError, TimeoutError)):
            return f"the API server {self.url} did not answer in time"
        return f"no connection to the API server {self.url}; check that it runs, the kubeconfig and the network"


class Lease:
    """One Lease (coordination.k8s.io/v1). Each call has one attempt, that ends long before the Lease does."""

    def __init__(self, call: Callable[..., dict], namespace: str, name: str) -> None:
        self._call = call
        self._namespace = namespace
        self._name = name
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases"
        self._told = f"Lease {namespace}/{name}"

    def read(self) -> dict | None:
        """Return it, None if it is not there. Raises KubernetesError."""
        try:
            return self._send(f"read the {self._told}", "GET", f"{self._path}/{quote(self._name)}")
        except KubernetesError as error:
            if error.status == 404:
                return None
            raise

    def write(self, version: str, spec: Mapping) -> dict:
        """Create it, without a resourceVersion, or put spec in place of what it was at that one; return what it is.

        Raises KubernetesError, with status 409 if it is another meanwhile.
        """
        metadata = {"name": self._name, "namespace": self._namespace} | (
            {"resourceVersion": version} if version else {}
        )
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        method, path = ("PUT", f"{self._path}/{quote(self._name)}") if version else ("POST", self._path)
        return self._send(f"write the {self._told}", method, path, body=body, content=_JSON)

    def _send(self, call: str, method: str, path: str, **options) -> dict:
        timeout = urllib3.Timeout(total=LEASE_SECONDS)
        return self._call(call, method, path, {}, timeout=timeout, retries=Retry(0), **options)


def is_in_cluster(kubeconfig: str | None, context: str | None) -> bool:
    """Return whether the service account of a pod is used: no kubeconfig is named, and this runs in a pod."""
    return not kubeconfig and not context and bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


class Pulse(Protocol):
    """Who is told that watches live: monitor.Monitor."""

    def watch_started(self, name: str) -> None:
        """See monitor.Monitor."""

    def watch_heard(self, name: str) -> None:
        """See monitor.Monitor."""

    def watch_failed(self, name: str, trouble: str) -> None:
        """See monitor.Monitor."""

    def watch_ended(self, name: str) -> None:
        """See monitor.Monitor."""


class Troubles:
    """What keeps watches from working; said once for each cause, and once when it is over.

    Watches usually fail together and for one cause: then it is said once for all that share one object of this class.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._causes: dict[str, str] = {}

    def report(self, source: Source, error: KubernetesError) -> None:
        """Note that a source cannot be read for now."""
        cause = _cause(source, error)
        with self._lock:
            is_known = cause in self._causes.values()
            self._causes[source.name] = cause
            if not is_known:
                _log.warning("cannot watch, trying again", extra=fields(watch=source.name, cause=cause))

    def clear(self, source: Source) -> None:
        """Note that a source can be read."""
        with self._lock:
            if self._causes.pop(source.name, None) is not None and not self._causes:
                _log.info("watching again")

    def forget(self, source: Source) -> None:
        """Note that nobody reads a source any more."""
        with self._lock:
            self._causes.pop(source.name, None)


def _cause(source: Source, error: KubernetesError) -> str:
    """Return why a source cannot be read, and what to do."""
    cause = source.absent if error.status == 404 and source.absent else error.text
    return f"{cause}; {source.unseen}" if error.status == 403 and source.unseen else cause


class Stream:
    """Follows one source in a thread of its own: list, then watch from there, again and again.

    Delivers Listed after each list and Changed after each event, from that thread. Whatever fails leads to a new
    list, at once when the API server has forgotten where the watch stood (410), else after a growing delay; but for
    silence, after which the watch is opened anew where it stood. Of an optional kind that the API server does not know
    there are no objects.
    """

    def __init__(
        self,
        cluster: Cluster,
        source: Source,
        deliver: Callable[[Listed | Changed], None],
        troubles: Troubles,
        pulse: Pulse,
    ) -> None:
        self._thread = threading.Thread(target=self._follow, name=f"watch {source.name}", daemon=True)
        self._cluster = cluster
        self._source = source
        self._deliver = deliver
        self._troubles = troubles
        self._pulse = pulse
        self._stopping = threading.Event()
        self._response: urllib3.BaseHTTPResponse | None = None
        self._attempts = 0
        # That the last watch was over before it brought anything: then it is no success that the next one begins.
        self._is_shaky = False
        self._hears_bookmarks = False
        self._has_delivered = False
        self._is_absent = False

    def start(self) -> None:
        """Begin to list and watch."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Return whether the thread still works: after start(), until stop() took effect or something broke it."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End the thread soon; may be called from any thread."""
        self._stopping.set()
        response = self._response
        if response is not None:
            try:
                response.shutdown()
            except (OSError, RuntimeError, ValueError):
                return  # it has ended by itself

    def _follow(self) -> None:
        self._pulse.watch_started(self._source.name)
        try:
            self._list_and_watch()
        finally:
            self._troubles.forget(self._source)
            self._pulse.watch_ended(self._source.name)

    def _list_and_watch(self) -> None:
        while not self._stopping.is_set():
            try:
                version = self._list()
                while not self._stopping.is_set():
                    version = self._watch(version)
            except KubernetesError as error:
                if self._stopping.is_set():
                    continue
                if error.status == 410 and not self._is_shaky:
                    self._is_shaky = True
                    continue
                self._cannot_read(error)
                self._stopping.wait(self._relist_delay(error))
                self._attempts += 1

    def _cannot_read(self, error: KubernetesError) -> None:
        """Nobody waits for an optional kind; that it may not be read does not tell that what was seen is gone."""
        is_absent = error.status == 404 and self._source.optional
        if is_absent and not self._is_absent:
            _log.info("not installed, and not needed", extra=fields(watch=self._source.name))
        self._is_absent = is_absent
        if is_absent:
            self._troubles.clear(self._source)
            self._pulse.watch_heard(self._source.name)
        else:
            self._troubles.report(self._source, error)
            self._pulse.watch_failed(self._source.name, _cause(self._source, error))
        if is_absent or (error.status == 403 and self._source.optional and not self._has_delivered):
            self._hand_over(())

    def _relist_delay(self, error: KubernetesError) -> float:
        first, last = RELIST_SECONDS
        if (error.status == 403 and self._source.unseen) or (error.status == 404 and self._source.optional):
            last = FORBIDDEN_SECONDS
        return min(first * 2 ** min(self._attempts, 10), last) * random.uniform(0.5, 1.0)  # noqa: S311 (a spread)

    def _list(self) -> str:
        objects, version = [], ""
        for page in self._cluster.list_pages(self._source):
            self._pulse.watch_heard(self._source.name)
            objects += [self._source.parse(each) for each in page.get("items") or ()]
            version = page["metadata"].get("resourceVersion", "")
        self._hand_over(tuple(objects))
        return version

    def _hand_over(self, objects: tuple) -> None:
        self._deliver(Listed(self._source, objects))
        self._has_delivered = True

    def _watch(self, version: str) -> str:
        """Deliver what happens until the server ends the watch; return the resourceVersion reached."""
        call = f"watch {self._source.name}"
        response = self._response = self._cluster.open_watch(self._source, version)
        opened = time.monotonic()
        self._pulse.watch_heard(self._source.name)
        # Only now: who may list may still be refused to watch.
        if not self._is_shaky:
            self._works()
        self._is_shaky = True
        try:
            if self._stopping.is_set():
                return version  # stop() may have looked for the response before it was there
            for line in _lines(response):
                version = self._handle(call, line, version)
                self._works()
                self._pulse.watch_heard(self._source.name)
                if self._stopping.is_set():
                    break
        except urllib3.exceptions.ReadTimeoutError:
            self._tell_silence()
        except (urllib3.exceptions.HTTPError, OSError):
            raise KubernetesError(call, 0, "Broken", "the connection to the API server broke") from None
        finally:
            self._response = None
            response.close()
            if time.monotonic() - opened >= WATCH_LEAST_SECONDS:
                self._works()
        if self._is_shaky:
            raise KubernetesError(call, 0, "Broken", "the API server, or a proxy before it, ends each watch at once")
        return version

    def _works(self) -> None:
        self._is_shaky = False
        self._attempts = 0
        self._troubles.clear(self._source)

    def _tell_silence(self) -> None:
        """Where no bookmarks come at all, there may just be nothing to tell."""
        if self._hears_bookmarks:
            self._hears_bookmarks = False
            _log.warning("a watch was silent, opening it anew", extra=fields(watch=self._source.name))

    def _handle(self, call: str, line: bytes, version: str) -> str:
        try:
            event = json.loads(line)
            kind, item = event["type"], event["object"]
            metadata = item.get("metadata") or {}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise KubernetesError(call, 0, "MalformedAnswer", "the watch sent something that is no event") from None
        if kind == "ERROR":
            raise KubernetesError(call, item.get("code") or 0, item.get("reason") or "", item.get("message") or "")
        if kind == "BOOKMARK":
            self._hears_bookmarks = True
        else:
            self._deliver(Changed(self._source, self._source.parse(item), is_gone=kind == "DELETED"))
        return metadata.get("resourceVersion") or version


def _events_path(key: Key) -> str:
    return f"/apis/events.k8s.io/v1/namespaces/{quote(_event_namespace(key))}/events"


def _event_namespace(key: Key) -> str:
    """Events are namespaced; those of cluster resources are where client-go puts them."""
    return key.namespace or "default"


def use_proxy_of_environment(configuration: Configuration, proxies: Mapping[str, str]) -> None:
    """Let a Configuration go by HTTPS_PROXY, HTTP_PROXY and NO_PROXY, which its versions read all, in part or not.

    proxies is what urllib.request.getproxies() returns. A proxy that a kubeconfig names is used whatever NO_PROXY says,
    as kubectl does.
    """
    if configuration.proxy and configuration.proxy not in proxies.values():
        configuration.no_proxy = None
        return
    configuration.proxy = proxies.get(urlsplit(configuration.host).scheme) or proxies.get("all")
    configuration.no_proxy = proxies.get("no")


def _tls(configuration: Configuration) -> ssl.SSLContext:
    """Read certificates and keys: those that stand in a kubeconfig are otherwise in files as long as this runs."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if configuration.verify_ssl else ssl.CERT_NONE)
    if configuration.ssl_ca_cert:
        context.load_verify_locations(cafile=configuration.ssl_ca_cert)
    else:
        context.load_default_certs()
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    buffer = b""
    for chunk in response.stream(amt=None, decode_content=True):
        *lines, buffer = (buffer + chunk).split(b"\n")
        yield from (each for each in lines if each.strip())


def _selected(source: Source) -> dict[str, object]:
    selectors = {"fieldSelector": source.selector, "labelSelector": source.labels}
    return {name: selector for name, selector in selectors.items() if selector}


def _refused(call: str, status: int, body: bytes) -> KubernetesError:
    """Word an answer that is no success; one that is no Status (a proxy's HTML, say) is not quoted."""
    try:
        answer = json.loads(body)
        reason, text = str(answer.get("reason") or ""), str(answer["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        reason, text = "", f"the API server answered with HTTP status {status}"
    return KubernetesError(call, status, reason or f"HTTP{status}", _clip(text.strip().partition("\n")[0], 500))


def _no_cluster(text: str, kubeconfig: str | None) -> KubernetesError:
    read = os.environ.get("KUBECONFIG") or "~/.kube/config"
    remedy = (
        f"check {kubeconfig}"
        if kubeconfig
        else f"name a kubeconfig with --kubeconfig (without it, {read} is read), or run inside a cluster"
    )
    return KubernetesError("find the cluster", 0, "NoCluster", f"{text.rstrip('.')}; {remedy}")


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
