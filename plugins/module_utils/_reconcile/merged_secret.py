# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring target namespaces to what a request wants where others may have a part in the Secrets: policy Merge.

It is decided as for Secrets of our own; what is written comes through merge.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._contract.ownership import MANAGED_BY, MANAGED_BY_LABEL, SharedEntry
from .._secret import docker_config, merge, release
from .._secret.logins import Logins
from .._secret.shared_entries import entries_patch
from .own_secret import OwnSecretWriter, Written
from .target_state import TargetState, is_own


class MergedSecretWriter(OwnSecretWriter):
    """Writes Secrets that others may have a part in."""

    def write(self, observed: TargetState, logins: Logins) -> Written | None:
        """Put logins into a Secret, None if all is there. Raises KubernetesError."""
        entry, secret = self._entry(logins), observed.secret
        if secret is None:
            return self._make(observed.namespace, logins, entry)
        is_closed = is_own(self.request, secret)
        if is_closed and not self.dry_run:
            secret = self._opened(secret, entry)
        patch = merge.merge_patch(secret, self.request.key, logins.config, entry)
        if patch is None:
            return Written(False, docker_config.content(secret)) if is_closed else None
        name = self.request.desired.name
        merged = self.cluster.patch_object("Secret", observed.namespace, name, patch, dry_run=self.dry_run)
        return Written(False, docker_config.content(merged))

    def _entry(self, logins: Logins) -> SharedEntry:
        return SharedEntry(
            names=tuple(docker_config.hosts_in(logins.config)),
            expires_at=logins.expires_at,
            renew_after=logins.renew_after,
            identity=self.request.desired.identity,
            registries=logins.registries,
            reconcile_request=logins.reconcile_request,
        )

    def _make(self, namespace: str, logins: Logins, entry: SharedEntry) -> Written:
        """Create a Secret; one that is there all the same stays, for it is written without force."""
        desired = self.request.desired
        manifest = merge.manifest(
            namespace, desired.name, self.request.key, logins.config, entry, desired.labels, desired.annotations
        )
        is_new = self.cluster.apply_secret(manifest, desired.manager, force=False, dry_run=self.dry_run)
        return Written(is_new, logins.config)

    def _opened(self, secret: Mapping, entry: SharedEntry) -> Mapping:
        """Make a Secret that is the resource's own one that others may share, which we made."""
        metadata, owner = secret["metadata"], self.request.desired.owner
        patch = release.release_patch(metadata, owner)
        made = entries_patch(metadata, {self.request.key: {**entry.as_dict(), "created": True}})
        patch["metadata"]["labels"].update({MANAGED_BY_LABEL: MANAGED_BY, **made["labels"]})
        patch["metadata"]["annotations"].update(made["annotations"])
        return self.cluster.patch_object("Secret", metadata["namespace"], metadata["name"], patch, dry_run=False)
