# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take away what a request no longer wants: Secrets of ours, our part in Secrets of others.

What always holds: each is read before it goes, only what is ours goes, and it goes only as it was read.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._cluster.client import Cluster
from .._secret import merge, pull_secret
from .outcomes import Outcome, Place, Step
from .request import Request
from .steps import retry_on_conflict


def places(request: Request, outcomes: list[Outcome]) -> list[Place]:
    """Return where Secrets stand that are to go, after what became of the targets.

    One of another name stays where its replacement does not stand: a pod may still pull with it.
    """
    if request.is_absent:
        targets = () if request.known is not None or not request.wanted.name else request.namespaces or ()
        return sorted({*(request.known or {}), *(Place(each, request.wanted.name) for each in targets)})
    if request.namespaces is None:
        return []
    served = {each.namespace for each in outcomes if each.expires_at}
    is_merge = request.policy == "Merge"
    return [
        place
        for place, held in (request.known or {}).items()
        if place.namespace not in request.namespaces
        or (place.name != request.wanted.name and place.namespace in served)
        or (place.name == request.wanted.name and held.is_shared and not is_merge)
    ]


@dataclass(frozen=True)
class Clearing:
    """What all Secrets that go have in common."""

    cluster: Cluster
    request: Request
    dry_run: bool

    def clear(self, place: Place) -> Step | None:
        """Take away one Secret, or our part in it; return what was done, None if there was nothing to do."""
        return retry_on_conflict(place, self._clear)

    def _clear(self, place: Place) -> Step | None:
        current = self.cluster.read_object("Secret", place.namespace, place.name)
        if current is None:
            return None
        is_kept, owner = self.request.is_orphaned, self.request.wanted.owner
        metadata = current["metadata"]
        is_own = pull_secret.is_marked(metadata, owner)
        is_wanted = self.request.is_target(place.namespace) and place.name == self.request.wanted.name
        if is_wanted and (is_own or merge.is_only_ours(current, self.request.key)):
            return None  # it was shared, and is or will be the resource's own: what logs in there is wanted
        if is_own:
            patch = pull_secret.released(metadata, owner) if is_kept and owner else merge.Undo.DELETE
        else:
            patch = merge.unmerge_patch(current, self.request.key, keep_logins=is_kept)
        if patch is None:
            return None
        before = pull_secret.describe(pull_secret.content(current), None)
        if patch is merge.Undo.DELETE:
            version = metadata["resourceVersion"]
            self.cluster.delete_secret(place.namespace, place.name, version, dry_run=self.dry_run)
            return Step(place.namespace, place.name, "deleted", before=before, after={})
        patch["metadata"].update(pull_secret.disowned(metadata, self.request.wanted.manager))
        after = self.cluster.patch_object("Secret", place.namespace, place.name, patch, dry_run=self.dry_run)
        after = pull_secret.describe(pull_secret.content(after), None)
        return Step(place.namespace, place.name, "released", before=before, after=after)
