# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pull secret that a request wants in each of its target namespaces, and the object that is applied for it.

Pure. It is written by server-side apply, each resource with a field manager of its own: by these managers the API
server itself settles which of two resources comes first
(https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from .._contract.errors import ResourceError, known
from .._contract.item import Owner
from .._contract.kinds import RECONCILE_AT
from .._contract.login_request import LoginRequest
from .._contract.outputs import Output
from .._contract.ownership import (
    ANNOTATIONS,
    DATA_KEY,
    EXPIRY,
    EXTRA_AUTHS,
    FIELD_MANAGER,
    FINGERPRINT,
    IDENTITY,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    OUTPUT,
    OWNER_LABEL,
    PLACE,
    REGISTRIES,
    RENEW_AFTER,
    RESOURCE,
    RESOURCE_LABEL,
    annotations_of,
    applied_fields,
    applied_names,
    manager_of,
    resource_label,
)
from .._contract.timestamps import format_time
from . import content, docker_config
from .extra_logins import NO_EXTRA_LOGINS, ExtraLogins
from .logins import Logins


@dataclass(frozen=True)
class DesiredSecret:
    """The Secret that every target namespace should have, but for what logs in.

    identity tells the AWS identity apart that its tokens come from, empty where nobody said. registries are the logins
    that it should hold. refresh_interval is how old a token may be when it is renewed, None for half of its life.
    is_pass says that the run does not know when the next one comes, so that it renews early (see token_life).
    reconcile_request is what the resource is annotated with to have its token renewed at once. output is what else than
    a docker config it holds, None for a pull secret. extra are logins of other registries that a pull secret holds
    besides: nobody knows them before the Secret is to be written.
    """

    name: str
    owner: Owner | None
    identity: str = ""
    registries: tuple[LoginRequest, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    refresh_interval: timedelta | None = None
    is_pass: bool = False
    reconcile_request: str = ""
    output: Output | None = None
    extra: ExtraLogins = NO_EXTRA_LOGINS

    @property
    def secret_type(self) -> str:
        """The type of the Secret, which cannot be changed."""
        return self.output.secret_type if self.output else docker_config.SECRET_TYPE

    @property
    def called(self) -> str:
        """What it is called in a message to a person."""
        return "output" if self.output else "pull secret"

    def for_output(self, output: Output) -> DesiredSecret:
        """Return an output of the same owner, with one of the logins."""
        return replace(
            self,
            name=output.name,
            registries=(output.request,),
            labels=output.labels,
            annotations=output.annotations,
            output=output,
            extra=NO_EXTRA_LOGINS,
        )

    def data(self, logins: Logins) -> dict[str, str]:
        """Return the values of its data by key. Raises ResourceError if there is no login for it."""
        if self.output is None:
            return {DATA_KEY: self.extra.added_to(logins.config)}
        host = self.host(logins)
        login = docker_config.logins(logins.config)[host]
        return self.output.data({**login, "host": host, "expiry": format_time(logins.expires_at)})

    def host(self, logins: Logins) -> str:
        """Return the host of the login that the output holds. Raises ResourceError if there is none."""
        output = known(self.output, "a pull secret is for all hosts")
        answering = filter(output.request.is_answered_by, docker_config.hosts_in(logins.config))
        # A stand-in for AWS may name any host for a region.
        host = next(answering, next(iter(docker_config.hosts_in(logins.config)), ""))
        if output.host not in ("", host):
            raise ResourceError(
                f"outputs[{self.name}]",
                f"there is no login for {output.host}: the AWS identity has that of {host}; name that host, or "
                "list the other one in spec.registries (registries of ecr_token)",
            )
        return host

    @property
    def manager(self) -> str:
        """The field manager that writes it."""
        return manager_of(self.owner.uid) if self.owner else FIELD_MANAGER

    def manifest(self, namespace: str, logins: Logins, version: str | None) -> dict:
        """Return the object to apply; version is the resourceVersion of the Secret that is known, if there is one."""
        metadata: dict[str, Any] = {
            "name": self.name,
            "namespace": namespace,
            "labels": self._labels(),
            "annotations": {**self.annotations, **self._own_annotations(namespace, logins)},
        }
        if version:
            metadata["resourceVersion"] = version
        if self.owner:
            metadata["ownerReferences"] = [self.owner.reference()]
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": self.secret_type,
            "metadata": metadata,
            "data": {key: base64.b64encode(text.encode()).decode() for key, text in self.data(logins).items()},
        }

    def _labels(self) -> dict[str, str]:
        labels = {**self.labels, MANAGED_BY_LABEL: MANAGED_BY}
        if self.owner:
            labels |= {OWNER_LABEL: self.owner.uid, RESOURCE_LABEL: resource_label(str(self.owner))}
        return labels

    def _own_annotations(self, namespace: str, logins: Logins) -> dict[str, str]:
        own = {
            EXPIRY: format_time(logins.expires_at),
            RENEW_AFTER: format_time(logins.renew_after),
            FINGERPRINT: docker_config.fingerprint(content.text(self.data(logins))),
            REGISTRIES: json.dumps(list(map(str, logins.registries))),
            PLACE: f"{namespace}/{self.name}",
        }
        resource = str(self.owner or "")
        optional = {
            IDENTITY: self.identity,
            RESOURCE: resource,
            RECONCILE_AT: logins.reconcile_request,
            OUTPUT: self._note,
            EXTRA_AUTHS: self.extra.note,
        }
        return {**own, **{name: value for name, value in optional.items() if value}}

    @property
    def _note(self) -> str:
        return self.output.note if self.output else ""

    def matches(self, metadata: Mapping) -> bool:
        """Return whether a Secret has the labels and annotations that are wanted, and none that we set once besides.

        Our own labels never change. Where another value stands and we still own it, an admission policy puts it there
        whenever we write, and to write again would change nothing.
        """
        fields = applied_fields(metadata, self.manager)
        labels, annotations = metadata.get("labels") or {}, annotations_of(metadata)
        return (
            metadata["name"] == self.name
            and applied_names(fields, "labels") == self._labels().keys()
            and all(labels.get(name) == value for name, value in self.labels.items())
            and applied_names(fields, "annotations") - set(ANNOTATIONS) == self.annotations.keys()
            and all(annotations.get(name) == value for name, value in self.annotations.items())
            and (OUTPUT in applied_names(fields, "annotations")) == bool(self.output)
            and (annotations.get(OUTPUT) == self._note or not self.output)
        )


def empty_manifest(name: str, namespace: str) -> dict:
    """Return a pull secret without any login, for asking the API server whether a Secret could be made at all."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": docker_config.SECRET_TYPE,
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {DATA_KEY: docker_config.render([])},
    }
