"""Watches: each follows one source, whatever becomes of the connection.

The library's own informer is not used: it takes no dicts, does not back off and has no time-out of its own.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import urllib3

from kube_ecr_runner.cluster.client import Cluster
from kube_ecr_runner.cluster.errors import KubernetesError, malformed
from kube_ecr_runner.cluster.sources import Source
from kube_ecr_runner.contract.answers import WrongAnswer, parse_event
from kube_ecr_runner.contract.reading import mapping_in, number_in, text_in
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.observer import Observer
from kube_ecr_runner.model.resource import WatchedObject

# What brings nothing and is over sooner was no watch.
WATCH_LEAST_SECONDS = 1.0
RELIST_SECONDS = (1.0, 30.0)
# A right or an optional kind that is missing comes from a person, who may wait: it is asked for again at this pace in
# the end. Where only the watch is refused, changes are seen no sooner.
FORBIDDEN_SECONDS = 150.0
# The API server sends a bookmark after a minute and a few seconds at the latest, so a watch that has brought nothing
# for so long does not work. Of one that was over sooner nobody knows: what a list shows may have happened after it.
# https://kubernetes.io/docs/reference/using-api/api-concepts/#watch-bookmarks
BOOKMARK_SECONDS = 75.0

_DEAF = (
    "a list shows changes that the watch did not tell; check what is between the runner and the API server (a proxy "
    "that holds back or drops what it passes on)"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ListEvent:
    """All objects of a source at one moment: one that is not among them is gone."""

    source: Source
    objects: tuple[WatchedObject, ...]

    def of[T](self, kind: type[T]) -> list[T]:
        """Return the objects of a type, which are all of them if it is the one that the source makes."""
        return [item for item in self.objects if isinstance(item, kind)]


@dataclass(frozen=True)
class ChangeEvent:
    """One object of a source was added or modified, or is gone."""

    source: Source
    object: WatchedObject
    is_gone: bool


class WatchErrorLog:
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
                _log.warning("watch failed, retrying", extra=fields(watch=source.name, cause=cause))

    def clear(self, source: Source) -> None:
        """Note that a source can be read."""
        with self._lock:
            if self._causes.pop(source.name, None) is not None and not self._causes:
                _log.info("watch recovered")

    def forget(self, source: Source) -> None:
        """Note that nobody reads a source any more."""
        with self._lock:
            self._causes.pop(source.name, None)


def _cause(source: Source, error: KubernetesError) -> str:
    """Return why a source cannot be read, and what to do."""
    cause = source.absent if error.status == 404 and source.absent else error.text
    return f"{cause}; {source.unseen}" if error.status == 403 and source.unseen else cause


@dataclass
class _Sight:
    """What a watch has shown: all that happened from one resourceVersion to another, unless it keeps things back.

    The first is that of the last object that came, or where the watch began, the second also that of a bookmark.
    """

    since: str
    reached: str = ""
    opened: float = field(default_factory=time.monotonic)
    heard_at: float = 0.0
    has_object: bool = False
    is_silent: bool = False
    is_overdue: bool = False
    # Whether the list after it shows what it had not told, and what a bookmark of it says that it had told.
    lacks: bool = False
    denies: bool = False

    def __post_init__(self) -> None:
        self.reached, self.heard_at = self.since, self.opened

    def hear(self, version: str, *, is_object: bool) -> None:
        """Take a line that came."""
        self.reached, self.heard_at = version or self.reached, time.monotonic()
        if is_object:
            self.since, self.has_object = self.reached, True

    def end(self) -> None:
        """Note that it is over: whether a bookmark was overdue then."""
        self.is_overdue = time.monotonic() - self.heard_at >= BOOKMARK_SECONDS

    def compare(self, item: Mapping[str, Any]) -> None:
        """Take an object in the list after the watch, of which that one should have told.

        That resourceVersions can be compared is said here:
        https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
        """
        version, since, reached = map(_number, (_version_of(item), self.since, self.reached))
        if 0 < since < version:
            self.denies = self.denies or version <= reached
            self.lacks = self.lacks or self.denies or self.is_overdue


class Reflector:
    """Follows one source in a thread of its own: list, then watch from there, again and again.

    Delivers ListEvent after each list and ChangeEvent after each event, from that thread. A watch that brought objects
    works, so it is opened anew where it stood; any other one is followed by a list, however it ended: what it did not
    bring may have been kept back. Whatever fails leads to a new list, too, at once when the API server has forgotten
    where the watch stood (410), else after a growing delay. Of an optional kind that the API server does not know there
    are no objects. Of a source that keeps some objects only, others are dropped as soon as they are read, and one that
    it keeps no more is delivered as gone.
    """

    def __init__(
        self,
        cluster: Cluster,
        source: Source,
        deliver: Callable[[ListEvent | ChangeEvent], None],
        errors: WatchErrorLog,
        observer: Observer,
    ) -> None:
        self._thread = threading.Thread(target=self._follow, name=f"watch {source.name}", daemon=True)
        self._cluster = cluster
        self._source = source
        self._deliver = deliver
        self._errors = errors
        self._observer = observer
        self._stopping = threading.Event()
        self._response: urllib3.BaseHTTPResponse | None = None
        self._attempts = 0
        # That the last watch was over before it brought anything: then it is no success that the next one begins.
        self._is_shaky = False
        # That the API server has forgotten where a watch stood, and none has worked since: once is nothing to tell.
        self._is_forgotten = False
        # What the last watch has shown, for the list after it to be compared with, None if there is nothing to compare.
        self._sight: _Sight | None = None
        # That bookmarks come, but not what happened: only an object shows that this is over.
        self._is_deaf = False
        self._hears_bookmarks = False
        # That silence was told.
        self._is_silent = False
        self._has_delivered = False
        self._is_absent = False
        # The UIDs of what was handed on, where the source does not keep all.
        self._kept: set[str] = set()

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
        self._observer.watch_started(self._source.name)
        try:
            self._list_and_watch()
        finally:
            self._errors.forget(self._source)
            self._observer.watch_ended(self._source.name)

    def _list_and_watch(self) -> None:
        while not self._stopping.is_set():
            try:
                version: str | None = self._list()
                while version is not None and not self._stopping.is_set():
                    version = self._watch(version)
            except KubernetesError as error:
                if self._stopping.is_set():
                    continue
                if error.status == 410 and not self._is_forgotten:
                    self._is_shaky = self._is_forgotten = True
                    continue
                self._cannot_read(error)
                self._stopping.wait(self._relist_delay(error))
                self._attempts += 1

    def _cannot_read(self, error: KubernetesError) -> None:
        """Nobody waits for an optional kind; that it may not be read does not tell that what was seen is gone."""
        is_absent = error.status == 404 and self._source.optional
        if is_absent and not self._is_absent:
            _log.info("optional CRD not installed", extra=fields(watch=self._source.name))
        self._is_absent = is_absent
        if is_absent:
            self._errors.clear(self._source)
            self._observer.watch_heard(self._source.name)
        else:
            self._tell(error, is_needed=not self._is_unneeded_right(error))
        if is_absent or (error.status == 403 and self._source.optional and not self._has_delivered):
            self._hand_over(())

    def _tell(self, error: KubernetesError, *, is_needed: bool = True) -> None:
        self._errors.report(self._source, error)
        self._observer.watch_failed(self._source.name, _cause(self._source, error), is_needed)

    def _is_unneeded_right(self, error: KubernetesError) -> bool:
        """Return whether an error says that a right is missing without which all is served, if later."""
        return error.status == 403 and (bool(self._source.unseen) or self._source.optional)

    def _relist_delay(self, error: KubernetesError) -> float:
        first, last = RELIST_SECONDS
        if (error.status == 403 and self._source.unseen) or (error.status == 404 and self._source.optional):
            last = FORBIDDEN_SECONDS
        return min(first * 2 ** min(self._attempts, 10), last) * random.uniform(0.5, 1.0)  # noqa: S311 (a spread)

    def _list(self) -> str:
        objects: list[WatchedObject] = []
        version = ""
        sight, self._sight = self._sight, None
        self._kept.clear()
        for page in self._cluster.list_pages(self._source):
            self._observer.watch_moved(self._source.name)
            if sight:
                for item in page["items"]:
                    sight.compare(item)
            changes = (self._change(item, is_gone=False) for item in page["items"])
            objects += [change.object for change in changes if change]
            version = page["metadata"].get("resourceVersion", "")
        self._hand_over(tuple(objects))
        if sight:
            self._judge(sight)
        return version

    def _judge(self, sight: _Sight) -> None:
        """Tell whether a watch worked, by the list after it."""
        self._is_deaf = self._is_deaf or sight.denies
        if sight.lacks or self._is_deaf:
            self._tell(KubernetesError(f"watch {self._source.name}", 0, "Deaf", _DEAF))
        elif not sight.is_overdue:
            self._observer.watch_heard(self._source.name)

    def _hand_over(self, objects: tuple[WatchedObject, ...]) -> None:
        self._deliver(ListEvent(self._source, objects))
        self._has_delivered = True

    def _watch(self, version: str) -> str | None:
        """Deliver what happens until the watch is over; return the resourceVersion reached, None if a list is due."""
        call = f"watch {self._source.name}"
        response = self._response = self._cluster.open_watch(self._source, version)
        sight = _Sight(version)
        # Only now: who may list may still be refused to watch.
        if not self._is_shaky:
            self._works()
        self._is_shaky = True
        try:
            if self._stopping.is_set():
                return None  # stop() may have looked for the response before it was there
            for line in _lines(response):
                self._handle(call, line, sight)
                self._works()
                if self._stopping.is_set():
                    break
        except urllib3.exceptions.ReadTimeoutError:
            sight.is_silent = True
        except (urllib3.exceptions.HTTPError, OSError):
            raise KubernetesError(call, 0, "Broken", "the connection to the API server broke") from None
        finally:
            self._response = None
            response.close()
            sight.end()
            lasted = time.monotonic() - sight.opened >= WATCH_LEAST_SECONDS
            is_watch = lasted or sight.has_object or sight.is_silent
            if is_watch:
                self._sight = sight
            if is_watch and not sight.is_overdue:
                self._works()
        if sight.is_silent:
            self._tell_silence(sight)
        elif not is_watch:
            raise KubernetesError(call, 0, "Broken", "the API server, or a proxy before it, ends each watch at once")
        return sight.reached if sight.has_object and not sight.is_silent else None

    def _works(self) -> None:
        self._is_shaky = self._is_forgotten = False
        self._attempts = 0
        if not self._is_deaf:
            self._errors.clear(self._source)

    def _tell_silence(self, sight: _Sight) -> None:
        """Say it once, and only where a bookmark was overdue, or the watch is one that brought some."""
        if self._hears_bookmarks or (sight.is_overdue and not self._is_silent):
            _log.warning("watch received nothing, reopening it", extra=fields(watch=self._source.name))
        self._hears_bookmarks, self._is_silent = False, sight.is_overdue

    def _handle(self, call: str, line: bytes, sight: _Sight) -> None:
        try:
            event = parse_event(line, self._source.object_kind, self._source.namespace)
        except WrongAnswer as error:
            raise malformed(call, self._cluster.url, error) from None
        if event.type == "ERROR":
            status = number_in(event.object, "code")
            raise KubernetesError(call, status, text_in(event.object, "reason"), text_in(event.object, "message"))
        is_object = event.type != "BOOKMARK"
        if not is_object:
            self._hears_bookmarks = True
        elif change := self._change(event.object, is_gone=event.type == "DELETED"):
            self._deliver(change)
        sight.hear(_version_of(event.object), is_object=is_object)
        self._is_silent = False
        self._is_deaf = self._is_deaf and not is_object
        if not self._is_deaf:
            self._observer.watch_heard(self._source.name)

    def _change(self, item: Mapping[str, Any], *, is_gone: bool) -> ChangeEvent | None:
        """Return what there is to tell of an object, None if nobody is to hear of it."""
        parsed = self._source.parse(item)
        if self._source.keeps is None:
            return ChangeEvent(self._source, parsed, is_gone)
        uid = text_in(mapping_in(item, "metadata"), "uid")
        was_kept = uid in self._kept
        is_gone = is_gone or not self._source.keeps(parsed)
        (self._kept.discard if is_gone else self._kept.add)(uid)
        return ChangeEvent(self._source, parsed, is_gone) if was_kept or not is_gone else None


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    buffer = b""
    for chunk in response.stream(amt=None, decode_content=True):
        *lines, buffer = (buffer + chunk).split(b"\n")
        yield from (line for line in lines if line.strip())


def _version_of(item: Mapping[str, Any]) -> str:
    return text_in(mapping_in(item, "metadata"), "resourceVersion")


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0
