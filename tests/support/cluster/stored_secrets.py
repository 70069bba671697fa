"""Secrets as the API server holds them, for tests that need no API server: our own, shared ones, those of others."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.authorizations import Authorization
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import Owner
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.ownership import DATA_KEY
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.request import Request
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import docker_config, merge
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.desired import DesiredSecret
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.logins import Logins
from tests.support.logins import requests

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GROUP = "aws.zakariaamine.com"
HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
PUBLIC = "public.ecr.aws"
UID, OTHER_UID = "uid-1", "uid-2"
OWNER = Owner(f"{GROUP}/v1alpha2", "ClusterAWSECRImagePullSecret", "", "ecr", UID, 1)
DESIRED = DesiredSecret("ecr-login", OWNER, "id-1", requests(HOST), {"team": "a"}, {"note": "x"})
# An earlier resource of the same name; and what the first versions noted of one, without its name.
FORMER_UID = "uid-0"
FORMER = replace(DESIRED, owner=replace(OWNER, uid=FORMER_UID))
UNNAMED = replace(DESIRED, owner=replace(OWNER, uid="another"))
FOREIGN_CONFIG = json.dumps({"auths": {"ghcr.io": {"auth": "Zm9yOmVpZ24="}}})


def granted(*registries: str, age: float = 0, life: float = 12, request: str = "", password: str = "new") -> Logins:
    """Return logins for registries (by default HOST) that were granted some hours before NOW, for some hours."""
    at = NOW - age * HOUR
    names = registries or (HOST,)
    authorizations = [Authorization(name, "AWS", password, at + life * HOUR, *requests(name)) for name in names]
    return Logins.of(authorizations, at, request)


def own_secret(
    logins: Logins | None = None, desired: DesiredSecret = DESIRED, namespace: str = "team-a", **changes: Any
) -> dict:
    """Return a Secret as it is after desired was applied with these logins (by default fresh ones).

    changes are to the metadata.
    """
    secret = deepcopy(desired.manifest(namespace, logins or granted(), "7"))
    metadata = secret["metadata"]
    fields = {
        "f:data": {f"f:{key}": {} for key in secret["data"]},
        "f:metadata": {f"f:{kind}": {f"f:{name}": {} for name in metadata[kind]} for kind in ("labels", "annotations")},
    }
    if desired.owner:
        fields["f:metadata"]["f:ownerReferences"] = {f'k:{{"uid":"{desired.owner.uid}"}}': {}}
    metadata["managedFields"] = [{"manager": desired.manager, "operation": "Apply", "fieldsV1": fields}]
    metadata.update(changes)
    return secret


def foreign_secret(text: str = FOREIGN_CONFIG, namespace: str = "team-a", **changes: Any) -> dict:
    """Return a pull secret that somebody made, with this text in it; changes are to the metadata."""
    return {
        "metadata": {"name": DESIRED.name, "namespace": namespace, "resourceVersion": "7", **changes},
        "type": docker_config.SECRET_TYPE,
        "data": {DATA_KEY: base64.b64encode(text.encode()).decode()},
    }


def shared_secret(
    logins: Logins | None = None, secret: dict | None = None, uid: str = UID, desired: DesiredSecret = DESIRED
) -> dict:
    """Return a Secret (by default somebody's) after the resource of the UID merged these logins into it."""
    logins, before = logins or granted(), secret or foreign_secret()
    entry = merge.entry_of(logins, desired.identity, _name_of(uid, desired))
    return _written(patched(before, merge.merge_patch(before, uid, logins.config, entry)))


def shared_secret_of_ours(logins: Logins | None = None, uid: str = UID, desired: DesiredSecret = DESIRED) -> dict:
    """Return a Secret that the resource of the UID made by merging, where there was none before."""
    logins = logins or granted()
    entry = merge.entry_of(logins, desired.identity, _name_of(uid, desired))
    made = merge.manifest("team-a", desired.name, uid, logins.config, entry, desired.labels, desired.annotations)
    made["metadata"]["resourceVersion"] = "7"
    return _written(made)


def _name_of(uid: str, desired: DesiredSecret) -> str:
    return str(desired.owner) if desired.owner and desired.owner.uid == uid else ""


def _written(secret: dict) -> dict:
    """Return it with the trace of our last write, which anybody else's takes away."""
    fields = {"f:data": {f"f:{DATA_KEY}": {}}}
    secret["metadata"]["managedFields"] = [{"manager": "kube-ecr-secrets", "operation": "Update", "fieldsV1": fields}]
    return secret


def edited_by_others(secret: dict) -> dict:
    """Return a Secret after somebody else changed its data: what the API server tracks of us is gone."""
    return {**secret, "metadata": {**secret["metadata"], "managedFields": [{"manager": "kubectl"}]}}


Edit = Callable[[dict], None]


def edited(*edits: Edit) -> dict:
    """Return own_secret() after edits by somebody else."""
    secret = own_secret()
    for edit in edits:
        edit(secret)
    return secret


def taken(*path: str) -> Edit:
    """Return an edit of a field, after which our manager has it no more."""

    def take(secret: dict) -> None:
        node = secret["metadata"]["managedFields"][0]["fieldsV1"]
        for name in path[:-1]:
            node = node[f"f:{name}"]
        del node[f"f:{path[-1]}"]

    return take


def put(path: str, value: object) -> Edit:
    """Return an edit that sets a part of the metadata."""
    return lambda secret: secret["metadata"].update({path: value})


def annotated(name: str, value: str) -> Edit:
    """Return an edit that sets one of our annotations."""
    return lambda secret: secret["metadata"]["annotations"].update({f"{GROUP}/{name}": value})


def patched(target: dict, patch: object) -> dict:
    """Return what a JSON merge patch (RFC 7386) makes of an object."""
    assert isinstance(patch, dict)
    target = deepcopy(target)
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            target[key] = patched(target.get(key) or {}, value)
        else:
            target[key] = value
    return target


def asking(request: Request, **changes: Any) -> Request:
    """Return a request but for some fields of its own, or of the Secret that it wants."""
    of_secret = {name: value for name, value in changes.items() if hasattr(request.desired, name)}
    rest = {name: value for name, value in changes.items() if name not in of_secret}
    return replace(request, desired=replace(request.desired, **of_secret), **rest)
