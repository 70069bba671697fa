# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the play is told of a custom resource.

Pure. No key is in it, and its text stays data: a value that does not pass is only ever quoted in a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .._aws.registries import entry_of
from .._contract.durations import check_interval
from .._contract.errors import ResourceError
from .._contract.grammar import check_region, check_registries, check_secret_name
from .._contract.kinds import CLUSTER_KIND, DELETION_POLICIES, FINALIZER, LEGACY_KIND, POLICIES
from .._contract.resource import (
    check_template,
    is_cluster_scoped,
    is_suspended,
    reconcile_request_of,
    reference,
    spec_of,
)
from .._contract.targets import Names, Targets


def item(resource: dict, existing: Mapping[str, Mapping[str, str]] | None) -> dict:
    """Return what the play is told of a custom resource: a reference and what it asks for, with no key in it.

    existing are the labels of the namespaces of the cluster by name, None if nobody listed them. C(error) is None, or
    says why the resource cannot be served; C(namespaces) is None where it cannot be told which they are. C(registries)
    are entries (see registries). C(identity), and what stands in the cluster, are for others to fill in.
    """
    metadata, spec = resource["metadata"], spec_of(resource)
    finalizers = metadata.get("finalizers") or []
    told = {
        "reference": reference(resource),
        "owner": {
            "api_version": resource["apiVersion"],
            "kind": resource["kind"],
            "namespace": metadata.get("namespace", ""),
            "name": metadata["name"],
            "uid": metadata["uid"],
            "generation": metadata.get("generation", 0),
        },
        "state": "absent" if metadata.get("deletionTimestamp") else "present",
        "identity": "",
        "registries": [],
        "secret_name": "",
        "namespaces": None,
        "service_accounts": [],
        "labels": {},
        "annotations": {},
        "existing_secret_policy": "Fail",
        "deletion_policy": "Delete",
        "refresh_interval": None,
        "nudge": reconcile_request_of(resource),
        "suspended": is_suspended(resource),
        "has_finalizer": FINALIZER in finalizers,
        "error": None,
    }
    try:
        told["deletion_policy"] = _choice(spec, "deletionPolicy", DELETION_POLICIES)
        told["existing_secret_policy"] = _choice(spec, "existingSecretPolicy", POLICIES)
        told["secret_name"] = check_secret_name(spec.get("secretName"), "spec.secretName")
        told["labels"], told["annotations"] = _template(spec, "labels"), _template(spec, "annotations")
        told["refresh_interval"] = _refresh_interval(spec)
        names = Names.of_service_accounts(spec.get("serviceAccounts"))
        told["service_accounts"] = [*names.literals, *names.globs]
        told["registries"] = _entries(resource)
        told["namespaces"] = _namespaces(resource, existing)
    except ResourceError as error:
        told["error"] = {"reason": "InvalidResource", "msg": str(error)}
    return told


def superseded(resource: dict, listed: Iterable[dict]) -> dict | None:
    """Return why a resource of the legacy kind need not be served: one of the cluster kind does all that it does.

    listed are the resources of the cluster. None where it has to be served.
    """
    metadata, spec = resource["metadata"], spec_of(resource)
    for each in listed if resource["kind"] == LEGACY_KIND else ():
        successor = spec_of(each)
        is_alike = each["kind"] == CLUSTER_KIND and each["metadata"]["name"] == metadata["name"]
        is_same = is_alike and successor.get("secretName") == spec.get("secretName")
        if is_same and set(spec.get("namespaces") or ()) <= set(successor.get("namespaces") or ()):
            return {
                "reason": "InvalidResource",
                "msg": f"{reference(each)} has taken its place; delete this one: kubectl delete awsecrcredential "
                f"{metadata['name']}",
            }
    return None


def needs_namespaces(resource: dict) -> bool:
    """Return whether the namespaces of the cluster have to be listed to tell the targets of a resource."""
    try:
        return is_cluster_scoped(resource) and Targets.parse(spec_of(resource)).needs_namespaces
    except ResourceError:
        return False


def finalizer_trouble(told: Mapping, own_namespace: str) -> ResourceError | None:
    """Return why an item cannot have the finalizer that it needs, None if it can, or needs none.

    In the namespace of the runner it would be left behind: https://github.com/operator-framework/operator-sdk/issues/1513
    """
    fields = {
        "serviceAccounts": told["service_accounts"],
        "existingSecretPolicy": told["existing_secret_policy"] == "Merge",
        "deletionPolicy": told["deletion_policy"] == "Orphan",
    }
    needed = [f"spec.{name}" for name, is_set in fields.items() if is_set]
    if not needed or told["state"] == "absent" or told["owner"]["namespace"] != (own_namespace or None):
        return None
    return ResourceError(
        needed[0],
        f"{own_namespace} is the namespace of the runner, which could not undo this when the namespace is deleted; "
        "use a ClusterAWSECRImagePullSecret, or remove the field",
    )


def _namespaces(resource: dict, existing: Mapping[str, Mapping[str, str]] | None) -> list[str] | None:
    """A namespaced resource serves its own namespace and no other, whatever else it says."""
    if not is_cluster_scoped(resource):
        return [resource["metadata"]["namespace"]]
    targets = Targets.parse(spec_of(resource))
    if targets.needs_namespaces and existing is None:
        return None
    return targets.select(existing or {})


def _entries(resource: dict) -> list[str]:
    hosts = check_registries(spec_of(resource).get("registries") or [], "spec.registries")
    access = spec_of(resource).get("awsAccess")
    if not isinstance(access, dict):
        raise ResourceError("spec.awsAccess", "is missing; it says how to reach AWS")
    region = check_region(access.get("region"), "spec.awsAccess.region")
    return [entry_of(host, region) for host in hosts] or [region]


def _choice(spec: dict, field: str, choices: tuple[str, ...]) -> str:
    """Return what a field says, which is the first of its choices where it is absent."""
    value = spec.get(field, choices[0])
    if value not in choices:
        raise ResourceError(f"spec.{field}", f"{value!r} is none of {', '.join(choices)}")
    return value


def _refresh_interval(spec: dict) -> int | None:
    """Return seconds, None where it is up to the token."""
    text = spec.get("refreshInterval")
    return None if text is None else int(check_interval(text, "spec.refreshInterval").total_seconds())


def _template(spec: dict, field: str) -> dict[str, str]:
    template = spec.get("secretTemplate") or {}
    if not isinstance(template, dict):
        raise ResourceError("spec.secretTemplate", "must hold labels and annotations")
    return check_template(template.get(field), field, f"spec.secretTemplate.{field}")
