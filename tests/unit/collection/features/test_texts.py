"""What YAML makes of a name without quotes is refused by the path of the option."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.kube_ecr.secrets.plugins.module_utils._features import ecr_pull_secret, ecr_token
from ansible_collections.kube_ecr.secrets.plugins.plugin_utils._texts import check_texts

CANARY = 4815162342
SPECIFICATIONS = {**ecr_token.ARGUMENT_SPEC, **ecr_pull_secret.ARGUMENT_SPEC}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("namespaces: [team-a, 0123]", "namespaces[1]: 83 is a number to YAML"),
        ("namespaces: [1234]", "namespaces[0]: 1234 is a number to YAML"),
        ("namespaces: 1234", "namespaces: 1234 is a number to YAML"),
        ("namespaces: [yes]", "namespaces[0]: True is true or false to YAML"),
        ("namespaces: on", "namespaces: True is true or false to YAML"),
        ("namespaces: [null]", "namespaces[0]: None is nothing to YAML"),
        ("namespaces: [a: b]", "namespaces[0]: {'a': 'b'} is a mapping to YAML"),
        ("secret_name: 123", "secret_name: 123 is a number to YAML"),
        ("secret_name: 1.10", "secret_name: 1.1 is a number to YAML"),
        ("secret_name: 12_000", "secret_name: 12000 is a number to YAML"),
        ("secret_name: 1e3.", None),
        ("secret_name: 2026-01-31", "secret_name: datetime.date(2026, 1, 31) is a date to YAML"),
        ("secret_name: [a]", "secret_name: ['a'] is a list to YAML"),
        ("service_accounts: [no]", "service_accounts[0]: False is true or false to YAML"),
        ("labels: {team: 0123}", "labels.team: 83 is a number to YAML"),
        ("labels: {1: a}", "labels: 1 is a number to YAML"),
        ("annotations: {a/b: true}", "annotations.a/b: True is true or false to YAML"),
        ("annotations: {a/b: }", "annotations.a/b: None is nothing to YAML"),
        ("authorizations: [{registry: 0123, password: x}]", "authorizations[0].registry: 83 is a number"),
        ("authorizations: [{password: 4815162342}]", "authorizations[0].password: it is a number to YAML"),
        ("aws_secret_key: 4815162342", "aws_secret_key: it is a number to YAML"),
        ("external_id: 4815162342", "external_id: it is a number to YAML"),
        ("context: 1234", "context: 1234 is a number to YAML"),
        ("region: no", "region: False is true or false to YAML"),
        # What is text, or no name at all.
        ("{namespaces: ['0123', '1234'], secret_name: '83', labels: {team: '0123', '1': ''}}", None),
        ("{namespaces: 'a,0123', force: yes, public: on, secret_name: null, unknown: 1}", None),
    ],
)
def test_what_is_no_text_is_refused_by_name(text: str, message: str | None) -> None:
    given: dict[str, Any] = yaml.safe_load(text)
    if message is None:
        check_texts(SPECIFICATIONS, given)
        return
    with pytest.raises(ValueError, match=r"no text; put what is meant in quotes$") as refused:
        check_texts(SPECIFICATIONS, given)
    assert str(refused.value).startswith(message)
    assert str(CANARY) not in str(refused.value)
