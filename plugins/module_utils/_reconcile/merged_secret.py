# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring target namespaces to what a request wants where others may have a part in the Secrets: policy Merge.

Everything here comes through merge: what is ours in a Secret, what is put in, and what goes again.
"""

from __future__ import annotations

from datetime import datetime

from .._contract.ownership import MANAGED_BY, MANAGED_BY_LABEL, SharedEntry, entries_of
from .._secret import docker_config, merge, pull_secret
from .._secret.pull_secret import Held, Logins
from .._secret.shared_entries import entries_patch, shared_entries
from .own_secret import Serving, Written


class MergedServing(Serving):
    """See Serving."""

    is_shared = True

    def is_ours(self, current: dict) -> bool:
        """See Serving."""
        return super().is_ours(current) or self.request.key in entries_of(current["metadata"])

    def expiry(self, current: dict) -> datetime | None:
        """See Serving."""
        if super().is_ours(current):
            return super().expiry(current)
        until = shared_entries(current["metadata"])[self.request.key].expires_at
        usable = docker_config.registries(merge.held_logins(current, self.request.key))
        return until if until and until > self.now and usable else None

    def obstacle(self, current: dict) -> tuple[str, str] | None:
        """See Serving; a Secret that is the resource's own, from another policy, becomes one that others may share."""
        return pull_secret.unfit(current) if super().is_ours(current) else merge.obstacle(current)

    def held(self, current: dict) -> Held | None:
        """See Serving."""
        return merge.held(current["metadata"], self.request.wanted, self.request.key)

    def logins_in(self, current: dict) -> Logins | None:
        """See Serving."""
        if super().is_ours(current):
            return super().logins_in(current)
        held = self.held(current)
        return merge.logins_of(current, self.request.key, self.now) if held and held.is_intact else None

    def write(self, namespace: str, current: dict | None, held: Held | None, logins: Logins) -> Written | None:
        """See Serving."""
        wanted, key = self.request.wanted, self.request.key
        names = tuple(docker_config.registries(logins.config))
        times = (logins.expires_at, logins.renew_after)
        mark = SharedEntry(names, *times, wanted.identity, logins.entries, reconcile_request=logins.nudge)
        if current is None:
            manifest = merge.manifest(
                namespace, wanted.name, key, logins.config, mark, wanted.labels, wanted.annotations
            )
            is_new = self.cluster.apply_secret(manifest, wanted.manager, force=False, dry_run=self.dry_run)
            return Written(is_new, logins.config)
        is_closed = super().is_ours(current)
        if is_closed and not self.dry_run:
            current = self._opened(current, mark)
        patch = merge.merge_patch(current, key, logins.config, mark)
        if patch is None:
            return Written(False, pull_secret.content(current)) if is_closed else None
        merged = self.cluster.patch_object("Secret", namespace, wanted.name, patch, dry_run=self.dry_run)
        return Written(False, pull_secret.content(merged))

    def _opened(self, current: dict, mark: SharedEntry) -> dict:
        """Make a Secret that is the resource's own one that others may share, which we made."""
        metadata, owner = current["metadata"], self.request.wanted.owner
        patch = pull_secret.released(metadata, owner)
        made = entries_patch(metadata, {self.request.key: {**mark.as_dict(), "created": True}})
        patch["metadata"]["labels"].update({MANAGED_BY_LABEL: MANAGED_BY, **made["labels"]})
        patch["metadata"]["annotations"].update(made["annotations"])
        return self.cluster.patch_object("Secret", metadata["namespace"], metadata["name"], patch, dry_run=False)
