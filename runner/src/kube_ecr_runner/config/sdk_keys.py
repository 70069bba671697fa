"""Keys of operator-sdk's watches.yaml that set nothing here. Pure.

A file that people have for operator-sdk is read as it is, as long as it asks for what happens here anyway: the default
of operator-sdk, mostly. Any other value is refused, so that nothing is ignored in silence.
https://sdk.operatorframework.io/docs/building-operators/ansible/reference/watches/
"""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class _Key:
    """A key, the values at which it asks for nothing else than what happens, and what does happen."""

    name: str
    accepted: tuple[object, ...]
    why: str


_KEYS = {
    key.name: key
    for key in (
        _Key("finalizer", (), "a deletion is undone by the playbook itself, whose tasks see it on the host 'absent'"),
        # operator-sdk takes 0 for its default, 20.
        _Key("maxRunnerArtifacts", (20, 0), "no artifacts of a run are kept"),
        _Key("watchDependentResources", (True,), "Secrets, service accounts and namespaces are always watched"),
        _Key("watchClusterScopedResources", (False,), "namespaces are always watched, and nothing else"),
        _Key("watchAnnotationsChanges", (False,), "only annotations that allow or ask for something are watched"),
        _Key(
            "snakeCaseParameters", (True,), "resources are in the variable pull_secrets, whose fields have fixed names"
        ),
        _Key("markUnsafe", (False, True), "text from a resource is never a template"),
        _Key("blacklist", ([],), "only what resources name is watched"),
        _Key("maxConcurrentReconciles", (), "resources share a run; see the option --forks"),
        _Key("maxWorkers", (), "resources share a run; see the option --forks"),
    )
}


def is_without_effect(key: str) -> bool:
    """Return whether a key is one of operator-sdk that sets nothing here."""
    return key in _KEYS


def refusal_of(key: str, value: object) -> str:
    """Return why such a key cannot have a value, and what to do; an empty text if it can."""
    known = _KEYS[key]
    if value is None or any(type(value) is type(each) and value == each for each in known.accepted):
        return ""
    remedy = " or ".join(("remove it", *(f"set it to {json.dumps(each)}" for each in known.accepted[:1])))
    # A mapping may hold variables, and so secrets.
    shown = "" if isinstance(value, dict | list) else f" at {json.dumps(value, default=str)}"
    return f"key '{key}' is not supported{shown}: {known.why}; {remedy}"
