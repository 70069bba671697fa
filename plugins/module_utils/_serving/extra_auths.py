# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The logins of spec.extraAuths: their Secrets are read in the worker that writes the pull secrets, in its memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._cluster.client import Cluster
from .._cluster.errors import KubernetesError
from .._contract.item import ExtraAuth, Item
from .._contract.result import ErrorResult
from .._secret.extra_logins import ExtraLogins, extra_logins


def read(cluster: Cluster, item: Item) -> ExtraLogins:
    """Return the logins that the extra_auths of an item stand for, or why some are missing. Never raises."""
    return extra_logins(item.extra_auths, {auth: _secret(cluster, auth) for auth in item.extra_auths})


def _secret(cluster: Cluster, auth: ExtraAuth) -> Mapping[str, Any] | ErrorResult | None:
    try:
        return cluster.read_object("Secret", auth.namespace, auth.name)
    except KubernetesError as error:
        return ErrorResult(error.reason, f"{auth}: {error}")
