"""The descriptors of a kind, by which the console of OpenShift makes a form: all of it from its definition. Pure.

https://github.com/openshift/console/blob/main/frontend/packages/operator-lifecycle-manager/src/components/descriptors/reference/reference.md
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_UI = "urn:alm:descriptor:com.tectonic.ui"
_KUBERNETES = "urn:alm:descriptor:io.kubernetes"
# What is written in capitals in a title.
_CAPITALS = {"aws", "arn", "id", "sts", "url"}


def owned(crd: dict) -> dict:
    """Return what a ClusterServiceVersion says of a definition, with a descriptor of each of its fields."""
    names = crd["spec"]["names"]
    (version,) = (version for version in crd["spec"]["versions"] if version["storage"])
    schema = version["schema"]["openAPIV3Schema"]
    parts = schema["properties"]
    return {
        "name": crd["metadata"]["name"],
        "version": version["name"],
        "kind": names["kind"],
        "displayName": names["kind"],
        "description": _text(schema),
        "resources": [{"kind": "Secret", "name": "", "version": "v1"}],
        "specDescriptors": list(_descriptors(parts["spec"], "", _input_of)),
        "statusDescriptors": list(_descriptors(parts["status"], "", _output_of)),
    }


def _descriptors(schema: dict, prefix: str, shown_as: Callable[[str, dict], str]) -> Iterator[dict]:
    for name, field in schema["properties"].items():
        path = f"{prefix}{name}"
        descriptor = {"path": path, "displayName": _title(path), "description": _text(field)}
        shown = shown_as(path, field)
        yield {**descriptor, "x-descriptors": [shown]} if shown else descriptor
        if field["type"] == "object" and "properties" in field:
            yield from _descriptors(field, f"{path}.", shown_as)


def _text(schema: dict) -> str:
    return " ".join(schema.get("description", "").split())


def _title(path: str) -> str:
    """Return the words of a field, such as `Access key ID`; with those of what it is in, if it is a name."""
    *around, name = path.split(".")
    if around and name in ("name", "namespace"):
        name = f"{around[-1]}_{name}"
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)]
    words = [word.upper() if word in _CAPITALS else word for word in words]
    return " ".join([words[0][0].upper() + words[0][1:], *words[1:]])


def _input_of(path: str, field: dict) -> str:
    """Return how the console asks for a field, or nothing for as it asks for any."""
    if path.endswith("ecretRef.name"):
        return f"{_KUBERNETES}:Secret"
    if path.endswith("erviceAccountRef.name"):
        return f"{_KUBERNETES}:ServiceAccount"
    if path.endswith("secretAccessKey"):
        return f"{_UI}:password"
    return {"boolean": f"{_UI}:booleanSwitch", "integer": f"{_UI}:number", "string": f"{_UI}:text"}.get(
        field["type"], ""
    )


def _output_of(path: str, _: dict) -> str:
    return f"{_KUBERNETES}.conditions" if path == "conditions" else ""
