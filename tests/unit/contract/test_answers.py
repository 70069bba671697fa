"""What is taken for the answer of the API server, and what is said of anything else that answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.answers import (
    Expected,
    WrongAnswer,
    parse_deletion,
    parse_event,
    parse_object,
    parse_page,
    parse_success,
)

CANARY = "hunter2"
METADATA = {"name": "login", "namespace": "a", "uid": "u"}
CONTENT = {"data": {".dockerconfigjson": CANARY}, "type": "x", "gone": None, "empty": {}, "refs": [{"name": "login"}]}
SECRET = {
    "kind": "Secret",
    "metadata": METADATA,
    "data": {".dockerconfigjson": CANARY, "other": "y"},
    "type": "x",
    "refs": [{"name": "other"}, {"name": "login", "more": 1}],
}
EXPECTED = Expected("Secret", "login", "a", "u", CONTENT)
FAILURE = {"kind": "Status", "status": "Failure", "code": 200, "message": "not\nyou"}
SUCCESS = {"kind": "Status", "status": "Success", "metadata": {}, "details": {"name": "login", "kind": "secrets"}}
LIST = {"kind": "SecretList", "metadata": {"resourceVersion": "5"}, "items": [{"metadata": METADATA}, SECRET]}
EVENT = {"type": "ADDED", "object": SECRET}
BOOKMARK = {"type": "BOOKMARK", "object": {"kind": "Secret", "metadata": {"resourceVersion": "7"}}}
ERROR = {"type": "ERROR", "object": FAILURE}

read = partial(parse_object, expected=EXPECTED)
page = partial(parse_page, kind="Secret", namespace="a")
event = partial(parse_event, kind="Secret", namespace="a")
deletion = partial(parse_deletion, expected=Expected("Secret", "login", "a"))
ALL = {"object": read, "page": page, "event": event, "deletion": deletion, "success": parse_success}


def sent(found: object) -> bytes:
    return json.dumps(found).encode()


def test_what_was_meant_is_taken() -> None:
    assert read(sent(SECRET)) == SECRET
    assert parse_object(sent(SECRET), Expected("Secret")) == SECRET
    assert page(sent(LIST)) == LIST
    assert page(sent(LIST | {"items": None}))["items"] == []
    assert parse_page(sent(LIST), "Secret") == LIST
    assert [event(sent(each)).type for each in (EVENT, BOOKMARK, ERROR)] == ["ADDED", "BOOKMARK", "ERROR"]
    parse_success(sent(SUCCESS))
    for answer in (SUCCESS, SECRET, {"kind": "Status", "status": "Success"}):
        deletion(sent(answer))


@pytest.mark.parametrize("name", list(ALL))
@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"<!DOCTYPE html><title>hunter2</title>", "is a web page"),
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (sent(SECRET)[:-9], "is cut short, or no JSON"),
        (b"\x1f\x8bhunter2", "is no JSON"),
        (b"ok hunter2", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[]", "is JSON, but no object"),
        (b"null", "is JSON, but no object"),
    ],
)
def test_what_is_no_object_is_no_answer(name: str, body: bytes, fault: str) -> None:
    with pytest.raises(WrongAnswer) as caught:
        ALL[name](body)
    assert str(caught.value) == fault


def without(found: dict, name: str) -> dict:
    return {other: value for other, value in found.items() if other != name}


@pytest.mark.parametrize(
    ("parse", "found", "fault"),
    [
        (read, {}, "is something without a kind, and no Secret"),
        (read, {"kind": "<b>hunter2"}, "is something without a kind, and no Secret"),
        (read, SECRET | {"kind": "ConfigMap"}, "is a ConfigMap, and no Secret"),
        (read, LIST, "is a SecretList, and no Secret"),
        (read, FAILURE, "is no Secret, but a Status: not"),
        (read, SUCCESS, "is no Secret"),
        (read, without(SECRET, "metadata"), "is an object without metadata"),
        (read, SECRET | {"metadata": METADATA | {"name": "other"}}, "is of another name"),
        (read, SECRET | {"metadata": METADATA | {"namespace": "b"}}, "is of another namespace"),
        (read, SECRET | {"metadata": METADATA | {"uid": "v"}}, "is of another UID"),
        (read, without(SECRET, "data"), "does not hold what was written to data"),
        (read, SECRET | {"data": {".dockerconfigjson": "old"}}, "does not hold what was written to data"),
        (read, SECRET | {"type": "Opaque"}, "does not hold what was written to type"),
        (read, SECRET | {"gone": "here"}, "does not hold what was written to gone"),
        (read, SECRET | {"refs": [{"name": "other"}]}, "does not hold what was written to refs"),
        (partial(parse_object, expected=Expected("Secret")), {"kind": "Secret", "metadata": {}}, "without a name"),
        (page, SECRET, "is a Secret, and no SecretList"),
        (page, LIST | {"kind": "PodList"}, "is a PodList, and no SecretList"),
        (page, FAILURE, "is no SecretList, but a Status: not"),
        (page, without(LIST, "metadata"), "is an object without metadata"),
        (page, without(LIST, "items"), "is a list without items"),
        (page, LIST | {"items": {}}, "is a list without items"),
        (page, LIST | {"items": [7]}, "is a list of something else than objects"),
        (page, LIST | {"items": [SECRET | {"kind": "Pod"}]}, "is a Pod, and no Secret"),
        (page, LIST | {"items": [{"metadata": {}}]}, "is of another namespace"),
        (page, LIST | {"items": [{"metadata": {"namespace": "a"}}]}, "is an object without a name"),
        (event, LIST, "is no event of a watch"),
        (event, FAILURE, "is no event of a watch, but a Status: not"),
        (event, EVENT | {"type": ["ADDED"]}, "is no event of a watch"),
        (event, EVENT | {"type": "CHANGED"}, "is no event of a watch"),
        (event, EVENT | {"object": SECRET | {"kind": "Pod"}}, "is a Pod, and no Secret"),
        (event, EVENT | {"object": SECRET | {"metadata": METADATA | {"namespace": "b"}}}, "is of another namespace"),
        (event, {"type": "BOOKMARK", "object": {"kind": "Secret"}}, "is an object without metadata"),
        (event, {"type": "ERROR", "object": SECRET}, "is no event of a watch"),
        (parse_success, SECRET, "is a Secret, and no Status"),
        (parse_success, FAILURE, "is no success, but a Status: not"),
        (deletion, FAILURE, "is no success, but a Status: not"),
        (deletion, SUCCESS | {"details": {"name": "other"}}, "is about another object"),
        (deletion, SECRET | {"metadata": METADATA | {"name": "other"}}, "is of another name"),
    ],
)
def test_another_object_is_no_answer(parse: Callable[[bytes], object], found: dict, fault: str) -> None:
    with pytest.raises(WrongAnswer, match=f"{fault}$") as caught:
        parse(sent(found))
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(EXPECTED)
