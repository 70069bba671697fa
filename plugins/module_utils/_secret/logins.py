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
from .._aws.registries import answers
from .._contract.kinds import RECONCILE_AT
from .._contract.ownership import EXPIRY, FINGERPRINT, REGISTRIES, RENEW_AFTER, annotations_of
from .._contract.timestamps import parse_time
from .._contract.token_life import MAX_TOKEN_LIFE, issued_at
from . import docker_config


@dataclass(frozen=True)
class Logins:
    """What Secrets are to hold: a docker config JSON, the entries (see registries) that it answers, and its life.

    expires_at is when the first of its tokens dies, renew_after when half of the life is over that AWS granted.
    nudge is what the resource was annotated with (see Wanted) when the tokens were granted.
    """

    config: str = field(repr=False)
    entries: tuple[str, ...]
    expires_at: datetime
    renew_after: datetime
    nudge: str = ""

    @classmethod
    def of(cls, authorizations: list[Authorization], now: datetime, nudge: str = "") -> Logins:
        """Return the logins of authorizations that were just granted, of which there is at least one."""
        expires_at = min(each.expires_at for each in authorizations)
        entries = tuple(sorted({each.requested for each in authorizations}))
        renew_after = now + min(expires_at - now, MAX_TOKEN_LIFE) / 2
        return cls(docker_config.render(authorizations), entries, expires_at, renew_after, nudge)

    @classmethod
    def held_in(cls, secret: Mapping, now: datetime) -> Logins | None:
        """Return the logins that an owned Secret holds as we wrote them, None if it holds none that live."""
        held, config = annotations_of(secret["metadata"]), docker_config.content(secret)
        expires_at, renew_after = parse_time(held.get(EXPIRY)), parse_time(held.get(RENEW_AFTER))
        is_intact = held.get(FINGERPRINT) == docker_config.fingerprint(config)
        if not (is_intact and renew_after and expires_at and expires_at > now):
            return None
        return cls(config, entries_in(held.get(REGISTRIES)), expires_at, renew_after, held.get(RECONCILE_AT, ""))

    def only(self, entries: Collection[str]) -> Logins:
        """Return the same without the logins that none of the entries asks for."""
        if set(self.entries) <= set(entries):
            return self
        hosts = [
            host for host in docker_config.registries(self.config) if any(answers(entry, host) for entry in entries)
        ]
        left = tuple(each for each in self.entries if each in entries)
        return replace(self, config=docker_config.selected(self.config, hosts), entries=left)

    def completed(self, other: Logins | None, entries: Iterable[str]) -> Logins:
        """Return the same with the logins of other for those of the entries that are missing here.

        Where a nudge asked for new ones in place of other's, the whole is due at once, to be completed with these.
        """
        lacking = [each for each in entries if other and each not in self.entries and each in other.entries]
        if not (other and lacking):
            return self
        hosts = set(docker_config.registries(other.config)) - set(docker_config.registries(self.config))
        kept = [host for host in hosts if any(answers(entry, host) for entry in lacking)]
        renew_after = min(self.renew_after, other.renew_after)
        if self.nudge not in ("", other.nudge):
            renew_after = min(renew_after, issued_at(self.expires_at, self.renew_after))
        return Logins(
            docker_config.merge(self.config, other.config, kept),
            tuple(sorted({*self.entries, *lacking})),
            min(self.expires_at, other.expires_at),
            renew_after,
            self.nudge,
        )


def usable_until(secret: Mapping, now: datetime) -> datetime | None:
    """Return when the token in a Secret dies, or None if it is dead, or there is no usable login in it."""
    expiry = parse_time(annotations_of(secret["metadata"]).get(EXPIRY))
    usable = expiry is not None and expiry > now and docker_config.registries(docker_config.content(secret))
    return expiry if usable else None


def entries_in(text: str | None) -> tuple[str, ...]:
    """Return the entries that the annotation C(registries) tells, empty if it tells none."""
    try:
        entries = json.loads(text or "[]")
    except ValueError:
        return ()
    return tuple(entries) if isinstance(entries, list) and all(isinstance(each, str) for each in entries) else ()
