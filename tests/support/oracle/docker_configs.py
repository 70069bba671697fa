"""Docker configs of all sorts that a Secret may hold, and what kubelet makes of them.

For our rule (`_secret/kubelet.py`) and for kubelet's own code, which both have to say the same of each.
"""

from __future__ import annotations

import base64
import json

BASE64, COLON, TEXT, OBJECT = "standard base64", "without a colon", "no text", "not an object"
GOOD = base64.b64encode(b"me:canary").decode()
# A login whose padding can be left out.
PADDED = base64.b64encode(b"me:canary1").decode()

# Entries of `auths`, by what is special about them, and words of our refusal; None where kubelet takes them.
ENTRIES: dict[str, tuple[object, str | None]] = {
    "a login": ({"auth": GOOD}, None),
    "with padding": ({"auth": PADDED}, None),
    "padding missing": ({"auth": PADDED.rstrip("=")}, None),
    "line breaks": ({"auth": f"{GOOD[:4]}\r\n{GOOD[4:]}\n"}, None),
    "only a colon": ({"auth": "Og=="}, None),
    "empty auth": ({"auth": ""}, None),
    "null in fields": ({"auth": None, "username": None}, None),
    "null": (None, None),
    "nothing": ({}, None),
    "no auth": ({"username": "me", "password": "canary"}, None),
    "fields that it does not know": ({"identitytoken": 5, "registrytoken": {}}, None),
    "the last one counts": ({"auth": "!", "Auth": GOOD}, None),
    "no letter case of password": ({"pa\xdfword": 5}, None),
    "a space": ({"auth": "x y"}, BASE64),
    "a space behind": ({"auth": f"{PADDED} "}, BASE64),
    "another sign": ({"auth": f"{GOOD}!!!"}, BASE64),
    "the alphabet for URLs": ({"auth": "bWU6YX-_"}, BASE64),
    "padding too long": ({"auth": f"{PADDED}="}, BASE64),
    "padding in the middle": ({"auth": f"{PADDED}{GOOD}"}, BASE64),
    "one sign too many": ({"auth": f"{GOOD}A"}, BASE64),
    "no ASCII": ({"auth": "bWU6Y2FuYXJ5é"}, BASE64),
    "half a character": ({"auth": "bWU6Y2FuYXJ5\ud800"}, BASE64),
    "no colon": ({"auth": "Y2FuYXJ5"}, COLON),
    "a line break": ({"auth": "\n"}, COLON),
    "in capital letters": ({"AUTH": "Y2FuYXJ5"}, COLON),
    "the last one is broken": ({"auth": GOOD, "Auth": "!"}, BASE64),
    "a number": ({"auth": 5}, f"auth that is {TEXT}"),
    "a letter that Go folds": ({"u\u017fername": False}, f"username that is {TEXT}"),
    "a list": ({"password": ["canary"]}, f"password that is {TEXT}"),
    "an object": ({"Email": {}}, f"email that is {TEXT}"),
    "a text": ("canary", OBJECT),
    "an entry that is a list": ([], OBJECT),
}

# Whole texts, and words of our refusal.
TEXTS: list[tuple[str, str | None]] = [
    ("", None),
    ("null", None),
    ("{}", None),
    ('{"auths":null}', None),
    ('{"HttpHeaders":{"a":"b","c":null},"auths":{}}', None),
    ('{"HttpHeaders":null}', None),
    ('{"HttpHeaders":{"a":5}}', "HttpHeaders holds a value that is no text"),
    ('{"httpheaders":["canary"]}', "httpheaders holds a value that is no text"),
    ('{"auths":{},"Auths":{"a.example":{"auth":"!"}}}', "entry 'a.example' of Auths"),
    ('{"Auths":["canary"]}', "Auths is not an object"),
    ('{"auths":{"a":{},"canary@a.example":{"auth":"!"}}}', "entry number 2 of auths"),
    ('{"auth\u017f":["canary"]}', "is not an object"),
    ('{"auths":{"":{}}}', None),
    ('{"auths":{"exa mple%zz":{}}}', None),
    ('{"Auths":{"a.example":{"auth":"Og=="}},"auths":{"b.example":{"auth":"Og=="}}}', None),
]

# Whole texts that we write nothing into, whatever kubelet makes of them: they could not be written again as they are.
UNREADABLE = [
    "[]",
    "5",
    '"auths"',
    "canary",
    '{"auths":{}} x',
    "\ufeff{}",
    '{"a":"\t"}',
    '{"auths":[]}',
    '{"auths":{"a.example":5}}',
    '{"auths":{},"a":NaN}',
    f'{{"a":{"[" * 20000}{"]" * 20000}}}',
]
# Of these, kubelet would take each.
STRICTER = [
    '{"auths":{"a.example":{},"a.example":{}}}',
    '{"auths":{"a.example":{"auth":"!","auth":"bWU6Y2FuYXJ5"}}}',
    '{"auths":{},"a":1e999}',
]


def with_entry(entry: object, name: str = "auths") -> str:
    """Return a docker config with an entry between two that are good, under auths as `name` spells it."""
    return json.dumps({"credHelpers": 5, name: {"a.example": {"auth": GOOD}, "b.example": entry, "c.example": {}}})
