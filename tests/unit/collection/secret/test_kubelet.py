"""What kubelet refuses of a docker config, by its own code: DockerConfigJSON in pkg/credentialprovider/config.go."""

from __future__ import annotations

import base64
import json

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import kubelet

BASE64, COLON, TEXT, OBJECT = "standard base64", "without a colon", "no text", "not an object"
GOOD = base64.b64encode(b"me:canary").decode()
# A login whose padding can be left out.
PADDED = base64.b64encode(b"me:canary1").decode()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        pytest.param({"auth": GOOD}, None, id="a login"),
        pytest.param({"auth": PADDED}, None, id="with padding"),
        pytest.param({"auth": PADDED.rstrip("=")}, None, id="padding missing"),
        pytest.param({"auth": f"{GOOD[:4]}\r\n{GOOD[4:]}\n"}, None, id="line breaks"),
        pytest.param({"auth": "Og=="}, None, id="only a colon"),
        pytest.param({"auth": ""}, None, id="empty auth"),
        pytest.param({"auth": None, "username": None}, None, id="null in fields"),
        pytest.param(None, None, id="null"),
        pytest.param({}, None, id="nothing"),
        pytest.param({"username": "me", "password": "canary"}, None, id="no auth"),
        pytest.param({"identitytoken": 5, "registrytoken": {}}, None, id="fields that it does not know"),
        pytest.param({"auth": "!", "Auth": GOOD}, None, id="the last one counts"),
        pytest.param({"pa\xdfword": 5}, None, id="no letter case of password"),
        pytest.param({"auth": "x y"}, BASE64, id="a space"),
        pytest.param({"auth": f"{PADDED} "}, BASE64, id="a space behind"),
        pytest.param({"auth": f"{GOOD}!!!"}, BASE64, id="another sign"),
        pytest.param({"auth": "bWU6YX-_"}, BASE64, id="the alphabet for URLs"),
        pytest.param({"auth": f"{PADDED}="}, BASE64, id="padding too long"),
        pytest.param({"auth": f"{PADDED}{GOOD}"}, BASE64, id="padding in the middle"),
        pytest.param({"auth": f"{GOOD}A"}, BASE64, id="one sign too many"),
        pytest.param({"auth": "bWU6Y2FuYXJ5é"}, BASE64, id="no ASCII"),
        pytest.param({"auth": "bWU6Y2FuYXJ5\ud800"}, BASE64, id="half a character"),
        pytest.param({"auth": "Y2FuYXJ5"}, COLON, id="no colon"),
        pytest.param({"auth": "\n"}, COLON, id="a line break"),
        pytest.param({"AUTH": "Y2FuYXJ5"}, COLON, id="in capital letters"),
        pytest.param({"auth": GOOD, "Auth": "!"}, BASE64, id="the last one is broken"),
        pytest.param({"auth": 5}, f"auth that is {TEXT}", id="a number"),
        pytest.param({"u\u017fername": False}, f"username that is {TEXT}", id="a letter that Go folds"),
        pytest.param({"password": ["canary"]}, f"password that is {TEXT}", id="a list"),
        pytest.param({"Email": {}}, f"email that is {TEXT}", id="an object"),
        pytest.param("canary", OBJECT, id="a text"),
        pytest.param([], OBJECT, id="an entry that is a list"),
    ],
)
@pytest.mark.parametrize("name", ["auths", "AUTHS"])
def test_one_entry_that_kubelet_cannot_read_is_named_and_not_quoted(
    entry: object, words: str | None, name: str
) -> None:
    """It may stand anywhere."""
    config = {"credHelpers": 5, name: {"a.example": {"auth": GOOD}, "b.example": entry, "c.example": {}}}
    found = kubelet.refusal(json.dumps(config))
    if words is None:
        assert found is None
        return
    assert found is not None
    assert f"the entry 'b.example' of {name} " in found
    assert words in found
    assert "canary" not in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
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
    ],
)
def test_the_whole_is_read_as_kubelet_reads_it(text: str, words: str | None) -> None:
    found = kubelet.refusal(text)
    assert (found or "").find(words or "") >= 0
    assert (found is None) is (words is None)
    assert "canary" not in (found or "")
