# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a custom resource to its item.

Pure. No key is in an item, and its text stays data: a value that does not pass is only ever quoted in a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from .._aws.access import referred, refuse_first_generation
from .._contract import reasons
from .._contract.durations import check_interval
from .._contract.errors import ResourceError
from .._contract.grammar import check_region, check_registries, check_secret_name
from .._contract.item import ABSENT, PRESENT, ExtraAuth, Item, Owner, PlacedOutput
from .._contract.kinds import CLUSTER_KIND, DELETION_POLICIES, LEGACY_KIND, POD_INJECTIONS, POLICIES
from .._contract.login_request import LoginRequest
from .._contract.outputs import Output, parse_outputs, secrets_of, spec_outputs
from .._contract.resource import (
    check_template,
    has_finalizer,
    is_cluster_scoped,
    is_deleting,
    is_suspended,
    reconcile_request_of,
    reference,
    spec_of,
)
from .._contract.result import ErrorResult
from .._contract.targets import Names, Targets

# The labels of the namespaces of the cluster by name, None where nobody listed them.
Namespaces = Mapping[str, Mapping[str, str]]


def item_of(resource: Mapping[str, Any], existing: Namespaces | None) -> Item:
    """Return the item of a custom resource, with an error if the resource cannot be served as it is.

    Fields are read in this order, and the first that cannot be used ends it: what comes after it stays at its default.
    The targets come last, so an item with an error of its spec has none, and nothing is written or removed for it. The
    identity, and what the cluster holds, are for others to fill in.
    """
    metadata, spec = resource["metadata"], spec_of(resource)
    fields: dict[str, Any] = {}
    try:
        # The policies first: they hold for the cleanup of a resource, whatever else is wrong with it.
        fields["deletion_policy"] = _choice(spec, "deletionPolicy", DELETION_POLICIES)
        fields["existing_secret_policy"] = _choice(spec, "existingSecretPolicy", POLICIES)
        _choice(spec, "podInjection", POD_INJECTIONS)
        fields["secret_name"] = check_secret_name(spec.get("secretName"), "spec.secretName")
        fields["labels"], fields["annotations"] = _template(spec, "labels"), _template(spec, "annotations")
        fields["refresh_interval"] = _refresh_interval(spec)
        fields["service_accounts"] = Names.of_service_accounts(spec.get("serviceAccounts"))
        refuse_first_generation(resource)
        fields["region"] = _region(spec)
        fields["registries"] = _login_requests(spec, fields["region"])
        fields["extra_auths"] = _extra_auths(resource)
        fields["namespaces"], fields["outputs"] = _targets(resource, existing, fields)
    except ResourceError as error:
        fields["error"] = ErrorResult(reasons.INVALID_RESOURCE, str(error))
    return Item(
        owner=Owner(
            resource["apiVersion"],
            resource["kind"],
            metadata.get("namespace", ""),
            metadata["name"],
            metadata["uid"],
            metadata.get("generation", 0),
        ),
        reference=reference(resource),
        state=ABSENT if is_deleting(resource) else PRESENT,
        suspended=is_suspended(resource),
        has_finalizer=has_finalizer(resource),
        reconcile_request=reconcile_request_of(resource),
        **fields,
    )


def superseded(resource: Mapping[str, Any], listed: Iterable[Mapping[str, Any]]) -> ErrorResult | None:
    """Return why a resource of the legacy kind need not be served: one of the cluster kind does all that it does.

    listed are the resources of the cluster. None where it has to be served.
    """
    metadata, spec = resource["metadata"], spec_of(resource)
    for other in listed if resource["kind"] == LEGACY_KIND else ():
        successor = spec_of(other)
        is_alike = other["kind"] == CLUSTER_KIND and other["metadata"]["name"] == metadata["name"]
        is_same = is_alike and successor.get("secretName") == spec.get("secretName")
        if is_same and set(spec.get("namespaces") or ()) <= set(successor.get("namespaces") or ()):
            return ErrorResult(
                reasons.INVALID_RESOURCE,
                f"{reference(other)} has taken its place; delete this one: kubectl delete awsecrcredential "
                f"{metadata['name']}",
            )
    return None


def needs_namespaces(resource: Mapping[str, Any]) -> bool:
    """Return whether the namespaces of the cluster have to be listed to tell the targets of a resource."""
    try:
        spec = spec_of(resource)
        globs = (namespaces.globs for _name, namespaces, _template in secrets_of(spec) if namespaces)
        return is_cluster_scoped(resource) and (Targets.parse(spec).needs_namespaces or any(globs))
    except ResourceError:
        return False


def finalizer_error(item: Item, own_namespace: str) -> ResourceError | None:
    """Return why an item cannot have the finalizer that it needs, None if it can, or needs none.

    In the namespace of the runner it would be left behind: https://github.com/operator-framework/operator-sdk/issues/1513
    """
    fields = {
        "serviceAccounts": item.service_accounts,
        "existingSecretPolicy": item.existing_secret_policy == "Merge",
        "deletionPolicy": item.deletion_policy == "Orphan",
    }
    needed = [f"spec.{name}" for name, is_set in fields.items() if is_set]
    if not needed or item.is_absent or item.owner.namespace != (own_namespace or None):
        return None
    return ResourceError(
        needed[0],
        f"{own_namespace} is the namespace of the runner, which could not undo this when the namespace is deleted; "
        "use a ClusterAWSECRImagePullSecret, or remove the field",
    )


def injects(resource: Mapping[str, Any]) -> bool:
    """Return whether a resource wants its Secret in new pods, which is for the API server to do."""
    return spec_of(resource).get("podInjection", POD_INJECTIONS[0]) != POD_INJECTIONS[0] and not is_deleting(resource)


def without_policy(item: Item) -> Item:
    """Return an item whose resource wants its Secret in new pods, where no policy for its kind is installed."""
    message = (
        f"spec.podInjection has no effect, since no MutatingAdmissionPolicy for {item.owner.kind} is installed; set "
        "podInjection.enabled of the chart to auto or true, or apply pod-injection.yaml (Kubernetes 1.36 or newer)"
    )
    return replace(item, warning=ErrorResult(reasons.POD_INJECTION_MISSING, message))


def with_error(item: Item, reason: str, message: str) -> Item:
    """Return an item with an error, unless it has one: the first counts."""
    return item if item.error else replace(item, error=ErrorResult(reason, message))


def _region(spec: Mapping[str, Any]) -> str:
    """Return the region of the caller: here, and nowhere behind this, it is checked."""
    access = spec.get("awsAccess")
    if not isinstance(access, dict):
        raise ResourceError("spec.awsAccess", "is missing; it says how to reach AWS")
    return check_region(access.get("region"), "spec.awsAccess.region")


def _login_requests(spec: Mapping[str, Any], region: str) -> tuple[LoginRequest, ...]:
    hosts = check_registries(spec.get("registries") or [], "spec.registries")
    return tuple(LoginRequest.for_host(host, region) for host in hosts) or (LoginRequest(None, region),)


def _extra_auths(resource: Mapping[str, Any]) -> tuple[ExtraAuth, ...]:
    """Return the Secrets with logins of other registries. Raises ResourceError."""
    path, found = "spec.extraAuths", spec_of(resource).get("extraAuths") or []
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise ResourceError(path, "must be a list of references to Secrets")
    auths = []
    for entry in found:
        secret = referred("Secret", entry.get("secretRef"), f"{path}.secretRef", resource)
        registry = entry.get("registry", "")
        if registry:
            check_registries([registry], f"{path}.registry")
        auths.append(ExtraAuth(secret.namespace, secret.name, registry))
    return tuple(dict.fromkeys(auths))


def _targets(
    resource: Mapping[str, Any], existing: Namespaces | None, fields: Mapping[str, Any]
) -> tuple[tuple[str, ...] | None, tuple[PlacedOutput, ...]]:
    """Return the target namespaces, and the outputs with theirs.

    A namespaced resource serves its own namespace and no other, whatever else it says.
    """
    spec = spec_of(resource)
    outputs = parse_outputs(spec_outputs(spec), fields["registries"], fields["secret_name"])
    if not is_cluster_scoped(resource):
        own = (resource["metadata"]["namespace"],)
        return own, tuple(PlacedOutput(_within(output, own[0]), own) for output in outputs)
    targets = Targets.parse(spec)
    is_known = existing is not None or not needs_namespaces(resource)
    selected = tuple(targets.select(existing or {})) if is_known else None
    return selected, tuple(PlacedOutput(each, _places(each, selected, existing or {})) for each in outputs)


def _within(output: Output, namespace: str) -> Output:
    """Raise ResourceError if an output of a namespaced resource names another namespace."""
    if output.namespaces not in (None, Names((namespace,))):
        raise ResourceError(
            f"spec.outputs[{output.name}].namespaces", "a namespaced resource serves its own namespace only; remove it"
        )
    return output


def _places(output: Output, targets: tuple[str, ...] | None, existing: Namespaces) -> tuple[str, ...] | None:
    """Return where an output is to be: in the targets, or in the namespaces that it names, or that its globs match."""
    if targets is None or output.namespaces is None:
        return targets
    return tuple(Targets(output.namespaces).select(existing))


def _choice(spec: Mapping[str, Any], field: str, choices: tuple[str, ...]) -> str:
    """Return what a field says, which is the first of its choices where it is absent."""
    value = spec.get(field, choices[0])
    if value not in choices:
        raise ResourceError(f"spec.{field}", f"{value!r} is none of {', '.join(choices)}")
    return value


def _refresh_interval(spec: Mapping[str, Any]) -> timedelta | None:
    """Return None where it is up to the token."""
    text = spec.get("refreshInterval")
    return None if text is None else check_interval(text, "spec.refreshInterval")


def _template(spec: Mapping[str, Any], field: str) -> dict[str, str]:
    template = spec.get("secretTemplate") or {}
    if not isinstance(template, dict):
        raise ResourceError("spec.secretTemplate", "must hold labels and annotations")
    return check_template(template.get(field), field, f"spec.secretTemplate.{field}")
