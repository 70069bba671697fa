"""Static keys in plain text and in the base64 forms that clusters hold (docs: module _keys)."""

from __future__ import annotations

from base64 import b64encode

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.keys import KeyFormError, decode_keys

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "/ab+c/wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMP=="


def encoded(text: str, times: int = 1) -> str:
    for _each in range(times):
        text = b64encode(text.encode()).decode()
    return text


@pytest.mark.parametrize(
    ("key_id", "secret"),
    [
        pytest.param(KEY_ID, SECRET, id="plain, with slash, plus and padding in the secret"),
        pytest.param(encoded(KEY_ID), encoded(SECRET), id="as the Go operator's webhook leaves it"),
        pytest.param(encoded(KEY_ID, 3), encoded(SECRET, 3), id="exported and applied again, twice"),
    ],
)
def test_every_form_of_a_real_pair_gives_the_pair(key_id: str, secret: str) -> None:
    assert decode_keys(key_id, secret) == (KEY_ID, SECRET)


@pytest.mark.parametrize(
    ("key_id", "secret"),
    [
        pytest.param("test", "test", id="LocalStack; 'test' is valid base64"),
        pytest.param("a", "b", id="one letter"),
        pytest.param(encoded("test"), encoded("test"), id="base64 of something without the shape"),
        pytest.param(encoded("akiaiosfodnn7example"), "x", id="lower case is not the shape"),
        pytest.param(encoded("AKIASHORT"), "x", id="too short for an access key ID"),
        pytest.param("AKIAIOSFODNN7EXAMPLE", encoded(SECRET), id="a plain ID: its secret is never decoded"),
        pytest.param("é", "ü", id="not ASCII"),
    ],
)
def test_any_other_value_is_taken_as_it_stands(key_id: str, secret: str) -> None:
    assert decode_keys(key_id, secret) == (key_id, secret)


@pytest.mark.parametrize(
    ("key_id", "secret", "field"),
    [
        pytest.param(encoded(f"{KEY_ID}\n"), encoded(SECRET), "accessKeyId", id="echo without -n, the ID"),
        pytest.param(encoded(KEY_ID), encoded(f"{SECRET}\n"), "secretAccessKey", id="echo without -n, the secret"),
        pytest.param(encoded(KEY_ID), SECRET, "secretAccessKey", id="only the ID is base64"),
    ],
)
def test_a_form_that_cannot_be_meant_is_refused_without_quoting_it(key_id: str, secret: str, field: str) -> None:
    with pytest.raises(KeyFormError) as caught:
        decode_keys(key_id, secret)
    assert caught.value.field == field
    assert KEY_ID not in str(caught.value)
    assert SECRET not in str(caught.value)
