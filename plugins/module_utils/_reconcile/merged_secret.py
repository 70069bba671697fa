# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring target namespaces to what a request wants where others may have a part in the Secrets: policy Merge.

It is decided as for Secrets of our own; what is written comes through merge.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._contract.ownership import SharedEntry
from .._secret import docker_config, handover, merge
from .._secret.logins import Logins
from .._secret.shared_entries import entries_for
from .own_secret import OwnSecretWriter, Written
from .target_state import TargetState, is_own


class MergedSecretWriter(OwnSecretWriter):
    """Writes Secrets that others may have a part in."""

    def write(self, observed: TargetState, logins: Logins) -> Written | None:
        """Put logins into a Secret, None if all is there. Raises KubernetesError."""
        request, secret = self.request, observed.secret
        extra = request.desired.extra
        if secret:
            extra = extra.with_held(docker_config.content(secret), self._extra_names(secret))
        entry = merge.entry_of(logins, request.desired.identity, request.resource, extra)
        config = extra.added_to(logins.config)
        if secret is None:
            return self._create(observed.namespace, config, entry)
        is_closed = is_own(request, secret)
        if is_closed and not self.dry_run:
            opened = handover.share_patch(secret["metadata"], request.desired.owner, request.key, entry)
            secret = self._patch(observed.namespace, opened)
        patch = merge.merge_patch(secret, request.key, config, entry)
        if patch is None:
            return Written(False, docker_config.content(secret)) if is_closed else None
        return Written(False, docker_config.content(self._patch(observed.namespace, patch)))

    def _extra_names(self, secret: Mapping) -> tuple[str, ...]:
        entries = entries_for(secret["metadata"], self.request.key, self.request.resource)
        return SharedEntry.from_dict(entries.get(self.request.key)).extra_names

    def _create(self, namespace: str, config: str, entry: SharedEntry) -> Written:
        """Create a Secret; one that is there all the same stays, for it is written without force."""
        desired = self.request.desired
        manifest = merge.manifest(
            namespace, desired.name, self.request.key, config, entry, desired.labels, desired.annotations
        )
        is_new = self.cluster.apply_secret(manifest, desired.manager, force=False, dry_run=self.dry_run)
        return Written(is_new, config)
