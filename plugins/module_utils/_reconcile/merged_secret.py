# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring target namespaces to what a request wants where others may have a part in the Secrets: policy Merge.

It is decided as for Secrets of our own; what is written comes through merge.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._contract.ownership import MANAGED_BY, MANAGED_BY_LABEL, SharedEntry
from .._secret import docker_config, merge, pull_secret
from .._secret.pull_secret import Logins
from .._secret.shared_entries import entries_patch
from .observation import Observation, is_own
from .own_secret import Serving, Written


class MergedServing(Serving):
    """Writes Secrets that others may have a part in."""

    def write(self, observed: Observation, logins: Logins) -> Written | None:
        """Put logins into a Secret, None if all is there. Raises KubernetesError."""
        mark, secret = self._mark(logins), observed.secret
        if secret is None:
            return self._make(observed.namespace, logins, mark)
        is_closed = is_own(self.request, secret)
        if is_closed and not self.dry_run:
            secret = self._opened(secret, mark)
        patch = merge.merge_patch(secret, self.request.key, logins.config, mark)
        if patch is None:
            return Written(False, pull_secret.content(secret)) if is_closed else None
        name = self.request.wanted.name
        merged = self.cluster.patch_object("Secret", observed.namespace, name, patch, dry_run=self.dry_run)
        return Written(False, pull_secret.content(merged))

    def _mark(self, logins: Logins) -> SharedEntry:
        names = tuple(docker_config.registries(logins.config))
        times = (logins.expires_at, logins.renew_after)
        return SharedEntry(names, *times, self.request.wanted.identity, logins.entries, reconcile_request=logins.nudge)

    def _make(self, namespace: str, logins: Logins, mark: SharedEntry) -> Written:
        """Create a Secret; one that is there all the same stays, for it is written without force."""
        wanted = self.request.wanted
        manifest = merge.manifest(
            namespace, wanted.name, self.request.key, logins.config, mark, wanted.labels, wanted.annotations
        )
        is_new = self.cluster.apply_secret(manifest, wanted.manager, force=False, dry_run=self.dry_run)
        return Written(is_new, logins.config)

    def _opened(self, secret: Mapping, mark: SharedEntry) -> Mapping:
        """Make a Secret that is the resource's own one that others may share, which we made."""
        metadata, owner = secret["metadata"], self.request.wanted.owner
        patch = pull_secret.released(metadata, owner)
        made = entries_patch(metadata, {self.request.key: {**mark.as_dict(), "created": True}})
        patch["metadata"]["labels"].update({MANAGED_BY_LABEL: MANAGED_BY, **made["labels"]})
        patch["metadata"]["annotations"].update(made["annotations"])
        return self.cluster.patch_object("Secret", metadata["namespace"], metadata["name"], patch, dry_run=False)
