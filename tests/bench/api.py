"""The API server as a bench asks it: bare HTTP, since the bench shares the cores with what it measures."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import tempfile
import threading
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

_ANSWER_SECONDS = 60.0
_WATCH_SECONDS = 7200
_AGAIN_SECONDS = 0.2
# Less than the 90 seconds after which the API server closes a connection that is not used.
_IDLE_SECONDS = 60.0
_METADATA = "application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1,application/json"
_REQUESTS = re.compile(r'^apiserver_request_total\{.*verb="(\w+)".*\} (\S+)$', re.MULTILINE)
WRITES = ("POST", "PUT", "PATCH", "DELETE")


class APIError(RuntimeError):
    """The API server refused something; the text is its own."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class API:
    """One connection, for one thread."""

    def __init__(self, kubeconfig: Path) -> None:
        """Connect with the certificate in a kubeconfig (written as JSON) when first asked."""
        self._kubeconfig = kubeconfig
        content = json.loads(kubeconfig.read_text())
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        context = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(b64decode(user["client-certificate-data"]) + b64decode(user["client-key-data"]))
            pair.flush()
            context.load_cert_chain(pair.name)
        address = urlsplit(cluster["server"])
        assert address.hostname is not None
        self._asked_at = time.monotonic()
        self._connection = http.client.HTTPSConnection(
            address.hostname, address.port, timeout=_ANSWER_SECONDS, context=context
        )

    def another(self) -> Self:
        """Return a connection of its own to the same server."""
        return type(self)(self._kubeconfig)

    def ask(self, method: str, path: str, body: object = None, *, kind: str = "application/json") -> bytes:
        """Return the answer; raises APIError."""
        headers = {"Content-Type": kind, "Accept": "application/json"}
        if time.monotonic() > self._asked_at + _IDLE_SECONDS:
            self._connection.close()  # it opens again by itself
        self._asked_at = time.monotonic()
        self._connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise APIError(answer.status, content.decode(errors="replace"))
        return content

    def create(self, path: str, manifest: dict[str, Any]) -> None:
        """Make an object in a collection."""
        self.ask("POST", path, manifest)

    def merge(self, path: str, patch: dict[str, Any]) -> None:
        """Change an object by a JSON merge patch."""
        self.ask("PATCH", path, patch, kind="application/merge-patch+json")

    def delete(self, path: str) -> None:
        """Delete an object, or find it gone."""
        try:
            self.ask("DELETE", path)
        except APIError as error:
            if error.status != http.HTTPStatus.NOT_FOUND:
                raise

    def exists(self, path: str) -> bool:
        """Return whether there is an object."""
        try:
            self.ask("GET", path)
        except APIError as error:
            if error.status != http.HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    def metadata(self, path: str) -> list[dict[str, Any]]:
        """Return the metadata of the objects of a collection."""
        return [each["metadata"] for each in json.loads(self.ask("GET", path))["items"]]

    def requests(self) -> Counter[str]:
        """Return how many requests there were since the server started, by verb."""
        return parse_requests(self.ask("GET", "/metrics").decode())

    def watch(self, path: str, *, metadata_only: bool = False) -> http.client.HTTPResponse:
        """Return what tells of the changes of a collection from now on, a line for each, until `close`."""
        accept = _METADATA if metadata_only else "application/json"
        separator = "&" if "?" in path else "?"
        listing = self._get(f"{path}{separator}limit=1", accept.format(list="List"))
        version = json.loads(listing.read())["metadata"]["resourceVersion"]
        options = f"watch=true&resourceVersion={version}&timeoutSeconds={_WATCH_SECONDS}"
        stream = self._get(f"{path}{separator}{options}", accept.format(list=""))
        assert self._connection.sock is not None
        self._connection.sock.settimeout(None)
        return stream

    def _get(self, path: str, accept: str) -> http.client.HTTPResponse:
        """Ask until the API server is ready to answer: it needs a moment for kinds that are new."""
        deadline = time.monotonic() + _ANSWER_SECONDS
        while True:
            self._connection.request("GET", path, headers={"Accept": accept})
            answer = self._connection.getresponse()
            if answer.status == http.HTTPStatus.OK:
                return answer
            text = answer.read().decode(errors="replace")
            if answer.status != http.HTTPStatus.TOO_MANY_REQUESTS or time.monotonic() > deadline:
                raise APIError(answer.status, text)
            time.sleep(_AGAIN_SECONDS)

    def close(self) -> None:
        """Close the connection; a watch ends."""
        if self._connection.sock is not None:
            with suppress(OSError):
                self._connection.sock.shutdown(2)
        self._connection.close()


def parse_requests(metrics: str) -> Counter[str]:
    """Return the requests by verb that an API server's /metrics counts."""
    found: Counter[str] = Counter()
    for verb, value in _REQUESTS.findall(metrics):
        found[verb] += int(float(value))
    return found


class Sightings:
    """When something was seen first in a watch, by its key, in seconds of time.monotonic()."""

    def __init__(
        self, api: API, path: str, key_of: Callable[[dict[str, Any]], str | None], *, metadata_only: bool = False
    ) -> None:
        """Begin; `key_of` says what an event shows, None if nothing."""
        self._api = api
        self._key_of = key_of
        self._times: dict[str, float] = {}
        self._missing: set[str] = set()
        self._changed = threading.Condition()
        self._has_ended = False
        # What is changed after this line will be seen.
        self._stream = api.watch(path, metadata_only=metadata_only)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def forget(self, keys: Iterable[str] = ()) -> None:
        """Let these be seen anew, or all."""
        with self._changed:
            for key in list(keys) or list(self._times):
                self._times.pop(key, None)

    def last_of(self, keys: Iterable[str], timeout: float) -> float | None:
        """Wait until all of these were seen; return when the last was, None if one was not within `timeout` seconds."""
        keys = set(keys)
        deadline = time.monotonic() + timeout
        with self._changed:
            self._missing = keys - self._times.keys()
            while self._missing:
                if self._has_ended:
                    raise RuntimeError("the watch has ended")
                if not self._changed.wait(deadline - time.monotonic()):
                    return None
            return max(self._times[key] for key in keys)

    def close(self) -> None:
        """End the watch."""
        self._api.close()
        self._thread.join()

    def _watch(self) -> None:
        try:
            # Closed by another thread, the connection fails in one of many ways.
            with suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
                while line := self._stream.readline():
                    self._see(json.loads(line))
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _see(self, event: dict[str, Any]) -> None:
        key = self._key_of(event)
        if key is None:
            return
        with self._changed:
            self._times.setdefault(key, time.monotonic())
            self._missing.discard(key)
            if not self._missing:
                self._changed.notify_all()
