"""No refusal of the API server quotes what may be a key, a token or an external ID, in whatever definition.

A refusal stands in the log of a pipeline, and in the status of a GitOps tool.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.support.cluster.control_plane import KubectlError
from tests.support.cluster.objects import GROUP, Cluster

CANARY = "8675309000canary0000"
# What may be a secret, or where somebody puts one by mistake: he takes `secretAccessKeyKey` for the key itself.
SECRET_FIELDS = {
    "accessKeyId",
    "secretAccessKey",
    "externalId",
    "accessKeyIdKey",
    "secretAccessKeyKey",
    "sessionTokenKey",
}
CRDS = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "crds").glob("*.yaml"))]
TEXTS = {
    "newline": f"{CANARY}\n",
    "space": f" {CANARY}",
    "other": f"{CANARY}é%{{}}",
    "long": CANARY * 200,
}
NO_TEXTS: dict[str, Any] = {"list": [CANARY], "map": {CANARY: CANARY}, "number": int(CANARY[:10]), "flag": True}


@dataclass(frozen=True)
class Leaf:
    """A field of a definition, by its path in the object."""

    kind: str
    path: tuple[str, ...]
    schema: Mapping[str, Any]


def leaves(kind: str, schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Give the fields below a schema that hold texts."""
    if schema.get("type") == "string":
        yield Leaf(kind, path, schema)
    for name, part in schema.get("properties", {}).items():
        yield from leaves(kind, part, (*path, name))


def spec_of(crd: Mapping[str, Any]) -> Mapping[str, Any]:
    (version,) = crd["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]["properties"]["spec"]


LEAVES = [leaf for crd in CRDS for leaf in leaves(crd["spec"]["names"]["kind"], spec_of(crd), ("spec",))]
SECRET_LEAVES = [leaf for leaf in LEAVES if leaf.path[-1] in SECRET_FIELDS]
VERSIONS = {crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["name"] for crd in CRDS}
SCOPES = {crd["spec"]["names"]["kind"]: crd["spec"]["scope"] for crd in CRDS}


def broken(leaf: Leaf, name: str, value: object) -> dict:
    """Return a resource with that value in a field, and what it takes to be refused for nothing else."""
    access: dict[str, Any] = {"region": "eu-west-1"}
    if leaf.path[-1] in ("accessKeyId", "secretAccessKey"):
        access |= {"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "secretAccessKey": "x"}
    elif leaf.path[-1] == "externalId":
        access |= {"roleArn": "arn:aws:iam::111122223333:role/ecr-pull"}
    spec: dict[str, Any] = {"secretName": "ecr-login", "awsAccess": access}
    metadata = {"name": name}
    if SCOPES[leaf.kind] == "Cluster":
        spec["namespaces"] = ["a"]
    else:
        metadata["namespace"] = "default"
    resource = {"apiVersion": f"{GROUP}/{VERSIONS[leaf.kind]}", "kind": leaf.kind, "metadata": metadata, "spec": spec}
    *parents, last = leaf.path
    target: dict[str, Any] = resource
    for parent in parents:
        target = target.setdefault(parent, {})
        if parent == "credentialsSecretRef":
            target |= {"name": "keys"} | ({"namespace": "default"} if SCOPES[leaf.kind] == "Cluster" else {})
    target[last] = value
    return resource


def refusal(cluster: Cluster, resources: list[dict], *how: str) -> str:
    """Return what kubectl says of resources of which the API server takes none."""
    with pytest.raises(KubectlError) as refused:
        cluster.kubectl(*how, "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": resources}))
    return str(refused.value)


def test_every_field_that_may_hold_a_secret_is_looked_at() -> None:
    """By name: one that is new has to be added here, or named otherwise."""
    suspicious = {
        leaf.path[-1]
        for leaf in LEAVES
        if any(word in leaf.path[-1].lower() for word in ("key", "token", "password", "external"))
    }
    assert suspicious - {"key"} <= SECRET_FIELDS, "matchExpressions have a key, too"
    assert {leaf.kind for leaf in SECRET_LEAVES} == set(SCOPES)


@pytest.mark.parametrize(
    ("how", "values"),
    [
        (("create", "--dry-run=server"), TEXTS),
        (("create", "--validate=false"), TEXTS | NO_TEXTS),
        (("apply",), TEXTS),
        (("apply", "--server-side"), TEXTS),
    ],
    ids=["dry run", "lax", "apply", "server side"],
)
def test_no_refusal_quotes_a_secret(cluster: Cluster, how: tuple[str, ...], values: dict[str, Any]) -> None:
    named = {
        f"{leaf.kind.lower()}-{leaf.path[-1].lower()}-{name}": (leaf, value)
        for leaf in SECRET_LEAVES
        for name, value in values.items()
    }
    told = refusal(cluster, [broken(leaf, name, value) for name, (leaf, value) in named.items()], *how)
    assert {name for name in named if f'"{name}" is invalid' not in told} == set(), "each is refused"
    assert CANARY[:10] not in told


def test_kubectl_quotes_no_value_of_a_wrong_type(cluster: Cluster) -> None:
    """It looks at types itself, before it sends anything."""
    wrong = [broken(leaf, "wrong", value) for leaf in SECRET_LEAVES for value in NO_TEXTS.values()]
    for how in (("apply",), ("apply", "--server-side")):
        told = refusal(cluster, wrong, *how)
        assert "invalid type" in told
        assert CANARY[:10] not in told


def test_rules_of_what_is_around_them_quote_no_secret(cluster: Cluster) -> None:
    crossed = []
    for kind in SCOPES:
        (leaf,) = (each for each in SECRET_LEAVES if (each.kind, each.path[-1]) == (kind, "secretAccessKey"))
        half = broken(leaf, "half", CANARY)
        del half["spec"]["awsAccess"]["accessKeyId"]
        misspelt = broken(leaf, "misspelt", "x")
        misspelt["spec"]["awsAccess"]["secretAcessKey"] = CANARY
        crossed += [half, misspelt]
        if VERSIONS[kind] == "v1alpha2":
            both = broken(leaf, "both", CANARY)
            both["spec"]["awsAccess"]["serviceAccountRef"] = {"name": "a", "namespace": "default"}
            alone = broken(leaf, "alone", "x")
            alone["spec"]["awsAccess"]["externalId"] = CANARY
            crossed += [both, alone]
    for how in (("create",), ("apply", "--server-side")):
        told = refusal(cluster, crossed, *how)
        assert told.count("secretAcessKey") >= len(SCOPES)
        assert CANARY not in told
