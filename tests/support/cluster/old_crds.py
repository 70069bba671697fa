"""Custom resource definitions as kube-ecr-secrets-operator has them."""

from __future__ import annotations


def old_crd(crd: dict, *versions: str) -> dict:
    """Return a definition as the Go operator has it, with other versions if some are given, the first one stored."""
    (version,) = crd["spec"]["versions"]
    ours = version["schema"]["openAPIV3Schema"]["properties"]
    keys = ("accessKeyId", "secretAccessKey", "region")
    spec = {
        "secretName": {"type": "string"},
        "awsAccess": {
            "type": "object",
            "required": list(keys),
            "properties": {key: {"type": "string"} for key in keys},
        },
    }
    if crd["spec"]["scope"] == "Cluster":
        spec["namespaces"] = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    status = {"conditions": ours["status"]["properties"]["conditions"]}
    properties = {
        "spec": {"type": "object", "properties": spec},
        "status": {"type": "object", "properties": status},
    }
    theirs = {
        "served": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    }
    named = [
        {**theirs, "name": name, "storage": not number} for number, name in enumerate(versions or [version["name"]])
    ]
    names = {name: crd["spec"]["names"][name] for name in ("kind", "listKind", "plural", "singular")}
    return {**crd, "spec": {**crd["spec"], "names": names, "versions": named}}


def first_generation(crd: dict) -> dict:
    """Return the definition of the deprecated kind as the first releases have it: chart/crds at 21f8b58 there."""
    text = {"type": "string", "minLength": 1, "maxLength": 253}
    access = {"secretName": text, "namespace": {"type": "string", "default": "default"}}
    spec = {
        "awsAccess": {"type": "object", "properties": access},
        "namespaces": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "secretName": text,
    }
    properties = {"spec": {"type": "object", "properties": spec}}
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    }
    return {**old_crd(crd), "spec": {**old_crd(crd)["spec"], "versions": [version]}}
