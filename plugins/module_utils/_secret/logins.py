# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Secrets hold to log in with: a docker config JSON, which logins it has, and how long they last.

Pure.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from .._aws.authorizations import Authorization
from .._contract.kinds import RECONCILE_AT
from .._contract.login_request import LoginRequest, is_of_aws
from .._contract.ownership import DATA_KEY, EXPIRY, FINGERPRINT, REGISTRIES, RENEW_AFTER, annotations_of, login_keys
from .._contract.reading import text_in
from .._contract.timestamps import parse_time
from .._contract.token_life import MAX_TOKEN_LIFE, issued_at
from . import content, docker_config, extra_logins, kubelet


@dataclass(frozen=True)
class Logins:
    """What Secrets are to hold: a docker config JSON, which registries it logs in to, and its life.

    registries are the login requests that it answers. expires_at is when the first of the tokens expires, renew_after
    when half of the life is over that AWS granted. reconcile_request is the one that the resource had (see
    DesiredSecret) when the tokens were granted.
    """

    config: str = field(repr=False)
    registries: tuple[LoginRequest, ...]
    expires_at: datetime
    renew_after: datetime
    reconcile_request: str = ""

    @classmethod
    def of(cls, authorizations: list[Authorization], now: datetime, reconcile_request: str) -> Logins:
        """Return the logins of authorizations that were just granted, of which there is at least one."""
        expires_at = min(authorization.expires_at for authorization in authorizations)
        registries = tuple(sorted({authorization.requested for authorization in authorizations}))
        renew_after = now + min(expires_at - now, MAX_TOKEN_LIFE) / 2
        return cls(docker_config.render(authorizations), registries, expires_at, renew_after, reconcile_request)

    @classmethod
    def held_in(cls, secret: Mapping, now: datetime) -> Logins | None:
        """Return the logins of AWS that an owned Secret holds as we wrote them, None if it holds none that live."""
        annotations, config = annotations_of(secret["metadata"]), docker_config.content(secret)
        expires_at, renew_after = parse_time(annotations.get(EXPIRY)), parse_time(annotations.get(RENEW_AFTER))
        is_intact = annotations.get(FINGERPRINT) == docker_config.fingerprint(config)
        if not (is_intact and renew_after and expires_at and expires_at > now):
            return None
        registries = registries_in(text_in(annotations, REGISTRIES))
        config = extra_logins.without(config, extra_logins.Held.on(secret["metadata"]).registries)
        return cls(config, registries, expires_at, renew_after, text_in(annotations, RECONCILE_AT))

    def only(self, registries: Collection[LoginRequest]) -> Logins:
        """Return the same without logins that answer none of the registries, whatever is noted of what it holds.

        Whoever may write one Secret can forge it, with a login that nobody asked for beside those that are. A stand-in
        for AWS may name any host for a region: one is left for each request that no host of ECR answers.
        """
        left = tuple(request for request in self.registries if request in registries)
        held = docker_config.hosts_in(self.config)
        hosts = _answering(left, held)
        unanswered = [each for each in left if not each.host and not any(map(each.is_answered_by, hosts))]
        strange = [host for host in held if host not in hosts and not is_of_aws(host)]
        if strange and len(strange) <= len(unanswered):
            hosts = [host for host in held if host in hosts or host in strange]
        else:
            left = tuple(request for request in left if any(map(request.is_answered_by, hosts)))
        if (left, hosts) == (self.registries, held):
            return self
        return replace(self, config=docker_config.selected(self.config, hosts), registries=left)

    def completed(self, other: Logins | None, registries: Iterable[LoginRequest]) -> Logins:
        """Return the same with the logins of other for those of the registries that are missing here.

        Where a reconcile request asked for new ones in place of other's, the whole is due at once, to be completed with
        these.
        """
        held = other.registries if other else ()
        lacking = [request for request in registries if request in held and request not in self.registries]
        if not (other and lacking):
            return self
        hosts = set(docker_config.hosts_in(other.config)) - set(docker_config.hosts_in(self.config))
        kept = _answering(lacking, hosts)
        renew_after = min(self.renew_after, other.renew_after)
        if self.reconcile_request not in ("", other.reconcile_request):
            renew_after = min(renew_after, issued_at(self.expires_at, self.renew_after))
        return Logins(
            docker_config.merge(self.config, other.config, kept),
            tuple(sorted({*self.registries, *lacking})),
            min(self.expires_at, other.expires_at),
            renew_after,
            self.reconcile_request,
        )


def _answering(requests: Collection[LoginRequest], hosts: Iterable[str]) -> list[str]:
    """Return those of the hosts whose logins are asked for."""
    return [host for host in hosts if any(request.is_answered_by(host) for request in requests)]


def usable_until(secret: Mapping, now: datetime) -> datetime | None:
    """Return when the token in a Secret of ours expires, None if it has expired or there is no usable login in it.

    Who reads an output has a rule of his own: there, a login is usable that stands as it was written.
    """
    annotations = annotations_of(secret["metadata"])
    expiry = parse_time(annotations.get(EXPIRY))
    if login_keys(secret["metadata"]) == {DATA_KEY}:
        config = docker_config.content(secret)
        is_usable = bool(docker_config.hosts_in(config)) and not kubelet.refusal(config)
    else:
        is_usable = annotations.get(FINGERPRINT) == docker_config.fingerprint(content.stored(secret))
    return expiry if is_usable and expiry is not None and expiry > now else None


def registries_in(text: str) -> tuple[LoginRequest, ...]:
    """Return the login requests in an annotation, none where it cannot be read."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(found, list) or not all(isinstance(request, str) for request in found):
        return ()
    return tuple(map(LoginRequest.from_text, found))
