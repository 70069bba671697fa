"""The result of an item: what the module returns is what the runner reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.result import (
    ErrorResult,
    ItemResult,
    NamespaceResult,
    ObjectResult,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
FULL = ItemResult(
    secret_name="ecr-login",
    registries=("111122223333.dkr.ecr.eu-west-1.amazonaws.com",),
    namespaces=(
        NamespaceResult("a", "created", expires_at=NOW),
        NamespaceResult("b", "failed", "SecretConflict", "secrets/ecr-login exists"),
        NamespaceResult("c", "unchanged", "LoginShadowed", "of somebody else", NOW, ("host/team",)),
    ),
    service_accounts=(
        ObjectResult("a", "default", "added"),
        ObjectResult("b", "default", "unchanged", "ServiceAccountContested", "also written by", "helm release web"),
    ),
    removed=(ObjectResult("c", "ecr-login", "failed", "Forbidden", "no right"),),
    expires_at=NOW,
    renew_after=NOW - timedelta(hours=6),
    issued_at=NOW - timedelta(hours=12),
    error=ErrorResult("AccessDeniedException", "a permission is missing"),
)


@pytest.mark.parametrize("result", [FULL, ItemResult(secret_name="x")])
def test_result_comes_back_as_it_was(result: ItemResult) -> None:
    assert ItemResult.from_dict(json.loads(json.dumps(result.as_dict()))) == result


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ({}, ItemResult(namespaces=None)),
        ({"namespaces": "a", "registries": "b", "removed": {}, "error": "c"}, ItemResult(namespaces=None)),
        (
            {
                "namespaces": [1, {"namespace": 2, "state": "created", "expires_at": "soon", "shadowed_by": [1]}],
                "registries": [1, "b"],
            },
            ItemResult(namespaces=(NamespaceResult("", "created"),), registries=("b",)),
        ),
        ({"error": {"msg": 1}, "expires_at": 5}, ItemResult(namespaces=None, error=ErrorResult("Unknown", ""))),
    ],
)
def test_what_is_malformed_counts_as_absent(answer: dict, result: ItemResult) -> None:
    assert ItemResult.from_dict(answer) == result


def test_object_is_named_by_namespace_and_name() -> None:
    assert str(ObjectResult("a", "default", "added")) == "a/default"


def test_who_else_writes_a_service_account_is_said_only_where_somebody_does() -> None:
    assert ObjectResult("a", "default", "added").as_dict().keys() == {"namespace", "name", "state", "reason", "msg"}
    assert ObjectResult("a", "default", "added", written_by="helm").as_dict()["written_by"] == "helm"
