# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which Secrets a request no longer wants, and what is to be done to each.

Pure. Only what is ours is ever taken away, and what a pod may still pull with stays until its replacement stands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from .._contract.item import NamespacedName
from .._secret import handover, merge
from .._secret.observed import ObservedSecret
from .._secret.whose import whose
from .outcomes import NamespaceOutcome
from .request import Request


def places_to_prune(
    request: Request, outcomes: Iterable[NamespaceOutcome], outputs: Iterable[NamespaceOutcome] = ()
) -> list[NamespacedName]:
    """Return where Secrets stand that are to go; outcomes are what became of the targets, outputs of the outputs."""
    if request.is_absent:
        return _places_of_all(request)
    # It cannot be told what is wanted, so nothing is unwanted.
    if request.namespaces is None or any(output.namespaces is None for output in request.outputs):
        return []
    # A Secret of the name before stays where its replacement holds no token: a pod may still pull with it.
    served = {outcome.namespace for outcome in outcomes if outcome.expires_at}
    served_outputs = {NamespacedName(outcome.namespace, outcome.name) for outcome in outputs if outcome.expires_at}
    awaited = {place.namespace for place in _places_of(request.outputs) if place not in served_outputs}

    def is_unwanted(place: NamespacedName, part: ObservedSecret) -> bool:
        if request.wants(place):  # but for our part in a Secret of others, which the policy before put in
            return place.name == request.desired.name and part.is_shared and not request.is_merge
        if part.is_output:
            return place.namespace not in awaited
        return place.namespace not in (request.namespaces or ()) or place.namespace in served

    return [place for place, part in (request.known or {}).items() if is_unwanted(place, part)]


def _places_of_all(request: Request) -> list[NamespacedName]:
    """Where nobody could list what is there, each target is looked at."""
    is_listed = request.known is not None
    wanted = () if is_listed else (request, *request.outputs)
    return sorted({*(request.known or {}), *_places_of(wanted)})


def _places_of(requests: Iterable[Request]) -> list[NamespacedName]:
    return [
        NamespacedName(namespace, request.desired.name)
        for request in requests
        for namespace in request.namespaces or ()
        if request.desired.name
    ]


def leaves_part(request: Request, pruned: Collection[NamespacedName]) -> bool:
    """Return whether our part in some Secret of others stays for now, though the resource may not want it any more.

    So it is where the Secret of a new name cannot be written.
    """
    return any(part.is_shared and place not in pruned for place, part in (request.known or {}).items())


def removal_of(request: Request, secret: Mapping) -> dict | merge.Undo | None:
    """Return how a Secret that is to go is taken away: Undo.DELETE, or the merge patch that takes our part out.

    None if there is nothing of ours in it, or what is there is wanted.
    """
    metadata, owner = secret["metadata"], request.desired.owner
    found = whose(secret, owner)
    is_wanted = request.wants(NamespacedName(metadata["namespace"], metadata["name"]))
    if is_wanted and (found.is_free or merge.is_only_ours(secret, request.key, request.resource)):
        return None  # it was shared, and is or will be the resource's own: what logs in there is wanted
    if not found.is_marked:
        patch = merge.unmerge_patch(secret, request.key, request.resource, keep_logins=request.is_orphaned)
    elif not found.is_removable or (request.is_orphaned and owner):
        patch = handover.release_patch(metadata, owner)
    else:
        return merge.Undo.DELETE
    if isinstance(patch, dict):
        patch["metadata"].update(handover.release_fields_patch(metadata, handover.managers_of(metadata, owner)))
    return patch
