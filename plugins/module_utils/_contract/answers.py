# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an answer is the object that was asked for. Pure.

Anything between here and the API server may answer a request with status 200: a proxy, the page of a portal, another
cluster behind the same address. So a read, and a write, counts when the answer says that it is the object that was
meant. What always holds: no text quotes an answer, but for the kind that it names and the message of a Status.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .api_server import first_line
from .reading import mapping_in

METADATA_KIND = "PartialObjectMetadata"
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")
_EVENTS = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK"})


class WrongAnswer(ValueError):
    """What answered a request did not give what was asked for; the text goes on a sentence that begins with who."""

    def told_of(self, server: str) -> str:
        """Return it for a person, with what to check; server is how the API server is called."""
        return f"what {server} answered {self}; check what answers there, and proxies on the way"


@dataclass(frozen=True)
class Expected:
    """The object that a request is about; an empty text stands for what is not known beforehand.

    content is what was written, of which the answer has to hold all: labels, annotations and finalizers excepted, which
    admission may change.
    """

    kind: str
    name: str = ""
    namespace: str = ""
    uid: str = ""
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class WatchEvent:
    """One line of a watch: what happened, and the object, which is a Status where type is ERROR."""

    type: str
    object: dict[str, Any]


def parse_object(body: bytes, expected: Expected) -> dict[str, Any]:
    """Return the object in an answer. Raises WrongAnswer if it is not the one that was meant."""
    found = _parse(body)
    _check_kind(found, expected.kind)
    _check_identity(found, expected)
    missing = next((name for name, value in expected.content.items() if not _holds(found.get(name), value)), None)
    if missing is not None:
        raise WrongAnswer(f"does not hold what was written to {missing}")
    return found


def parse_page(body: bytes, kind: str, namespace: str = "") -> dict[str, Any]:
    """Return a list, or a page of it, of objects of a kind, all in a namespace if one is named. Raises WrongAnswer."""
    page = _parse(body)
    _check_kind(page, f"{kind}List")
    _metadata(page)
    items = page.get("items", ())
    # Go writes an empty list as null, too.
    page["items"] = [] if items is None else items
    if not isinstance(page["items"], list):
        raise WrongAnswer("is a list without items")
    for item in page["items"]:
        if not isinstance(item, dict):
            raise WrongAnswer("is a list of something else than objects")
        # The API server leaves out the kind of each item, but for custom resources.
        if "kind" in item:
            _check_kind(item, kind)
        _check_identity(item, Expected(kind, namespace=namespace))
    return page


def parse_success(body: bytes) -> None:
    """Take the answer to a request that makes no object, a Status of success. Raises WrongAnswer."""
    _check_kind(_parse(body), "Status")


def parse_review(body: bytes, kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status in the answer to a review of a kind, which has no name, as it is stored nowhere.

    spec is what was asked. Raises WrongAnswer.
    """
    found = _parse(body)
    _check_kind(found, kind)
    if not _holds(found.get("spec"), spec):
        raise WrongAnswer("is about something else than what was asked")
    status = found.get("status")
    if not isinstance(status, dict):
        raise WrongAnswer("is a review without a status")
    return status


def parse_deletion(body: bytes, expected: Expected) -> None:
    """Take the answer to a deletion: a Status of success, or the object where a finalizer holds it.

    Raises WrongAnswer.
    """
    found = _parse(body)
    if found.get("kind") != "Status":
        _check_kind(found, expected.kind)
        _check_identity(found, expected)
        return
    _check_kind(found, "Status")
    if mapping_in(found, "details").get("name", expected.name) != expected.name:
        raise WrongAnswer("is about another object")


def parse_event(line: bytes, kind: str, namespace: str = "") -> WatchEvent:
    """Return what a line of a watch of objects of a kind says. Raises WrongAnswer."""
    found = _parse(line)
    event, item = found.get("type"), found.get("object")
    if not isinstance(item, dict):
        raise WrongAnswer(f"is no event of a watch{_status_in(found)}")
    if event == "ERROR" and item.get("kind", "Status") == "Status":
        return WatchEvent(event, item)
    if not isinstance(event, str) or event not in _EVENTS:
        raise WrongAnswer("is no event of a watch")
    _check_kind(item, kind)
    if event == "BOOKMARK":
        # Of the object there is only its resourceVersion.
        _metadata(item)
    else:
        _check_identity(item, Expected(kind, namespace=namespace))
    return WatchEvent(event, item)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise WrongAnswer(_described(body)) from None
    if not isinstance(found, dict):
        raise WrongAnswer("is JSON, but no object")
    return found


def _described(body: bytes) -> str:
    content = body.strip()
    if not content:
        return "is empty"
    if content.startswith(b"<"):
        return "is a web page"
    return "is cut short, or no JSON" if content.startswith(b"{") else "is no JSON"


def _check_identity(found: Mapping[str, Any], expected: Expected) -> None:
    metadata = _metadata(found)
    for name, wanted in (("name", expected.name), ("namespace", expected.namespace), ("uid", expected.uid)):
        if wanted and metadata.get(name) != wanted:
            raise WrongAnswer(f"is of another {name.replace('uid', 'UID')}")
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise WrongAnswer("is an object without a name")


def _check_kind(found: Mapping[str, Any], kind: str) -> None:
    named = found.get("kind")
    if named == "Status" and (kind != "Status" or found.get("status") != "Success"):
        raise WrongAnswer(f"is no {kind if kind != 'Status' else 'success'}{_status_in(found)}")
    if named != kind:
        told = f"a {named}" if isinstance(named, str) and _KIND.fullmatch(named) else "something without a kind"
        raise WrongAnswer(f"is {told}, and no {kind}")


def _status_in(found: Mapping[str, Any]) -> str:
    message = found.get("message")
    is_status = found.get("kind") == "Status" and isinstance(message, str) and message
    return f", but a Status: {first_line(str(message))}" if is_status else ""


def _metadata(found: Mapping[str, Any]) -> dict[str, Any]:
    metadata = found.get("metadata")
    if not isinstance(metadata, dict):
        raise WrongAnswer("is an object without metadata")
    return metadata


def _holds(found: Any, wanted: Any) -> bool:
    """Return whether all of what was written is in what is there. What is None was to be removed."""
    if wanted is None:
        return not found
    if not found and not wanted:  # Go leaves out what is empty
        return True
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_holds(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and all(any(_holds(item, value) for item in found) for value in wanted)
    return bool(found == wanted)
