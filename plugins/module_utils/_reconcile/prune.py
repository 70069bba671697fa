# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take away what a request no longer wants: Secrets of ours, our part in Secrets of others (see removal).

What always holds: each is read before it goes, only what is ours goes, and it goes only as it was read.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._cluster.client import Cluster
from .._contract.item import NamespacedName
from .._contract.result import DELETED, RELEASED
from .._secret import content, docker_config, merge
from .outcomes import ObjectOutcome
from .removal import removal_of
from .request import Request
from .steps import retry_on_conflict


@dataclass(frozen=True)
class Pruner:
    """Takes away Secrets of a request that are no longer wanted."""

    cluster: Cluster
    request: Request
    dry_run: bool

    def remove(self, place: NamespacedName) -> ObjectOutcome | None:
        """Take away one Secret, or our part in it; return what was done, None if there was nothing to do."""
        return retry_on_conflict(place, self._remove)

    def _remove(self, place: NamespacedName) -> ObjectOutcome | None:
        current = self.cluster.read_object("Secret", place.namespace, place.name)
        removal = removal_of(self.request, current) if current else None
        if current is None or removal is None:
            return None
        before = docker_config.describe(content.stored(current), None)
        if removal is merge.Undo.DELETE:
            version = current["metadata"]["resourceVersion"]
            self.cluster.delete_secret(place.namespace, place.name, version, dry_run=self.dry_run)
            return ObjectOutcome(**place.as_dict(), state=DELETED, before=before, after={})
        after = self.cluster.patch_object("Secret", place.namespace, place.name, removal, dry_run=self.dry_run)
        after = docker_config.describe(content.stored(after), None)
        return ObjectOutcome(**place.as_dict(), state=RELEASED, before=before, after=after)
