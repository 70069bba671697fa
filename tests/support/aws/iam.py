"""Who is who in the AWS of the tests: users, roles, the sessions of those who assumed one, OIDC providers."""

from __future__ import annotations

import secrets
import string
import threading
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from tests.support.aws import hosts as ecrhosts
from tests.support.aws.web_identity import Provider


@dataclass(frozen=True)
class Principal:
    """An IAM user: its keys, and what it may do.

    `allowed`: ask for a token, of ECR and of ECR Public; `public`: sts:GetServiceBearerToken, which the latter needs.
    """

    access_key: str
    secret_key: str = field(repr=False)
    account: str
    allowed: bool = True
    public: bool = True

    def registry(self, region: str = "eu-west-1") -> str:
        """Return the host name of the registry that every account has in every region."""
        return ecrhosts.registry_host(self.account, region)

    def arn(self, region: str) -> str:
        """Return the name that IAM gives this user in the partition of that region."""
        return f"arn:{ecrhosts.partition(region)}:iam::{self.account}:user/test"

    @property
    def trusted_as(self) -> str:
        """What the trust policy of a role knows it by (a user's ARN is not unique here, its key is)."""
        return self.access_key


@dataclass(frozen=True)
class Role:
    """An IAM role; `allowed` and `public` are as for a principal. A name may have a path before it."""

    account: str
    name: str
    allowed: bool = True
    public: bool = True

    def registry(self, region: str = "eu-west-1") -> str:
        """Return the host name of its account's registry in that region."""
        return ecrhosts.registry_host(self.account, region)

    def arn(self, region: str = "eu-west-1") -> str:
        """Return the name that IAM gives this role in the partition of that region."""
        return f"arn:{ecrhosts.partition(region)}:iam::{self.account}:role/{self.name}"

    @property
    def trusted_as(self) -> str:
        """What the trust policy of another role knows it by: its ARN."""
        return self.arn()


@dataclass(frozen=True)
class Session:
    """The temporary keys of somebody who assumed a role."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    role: Role
    name: str
    expires_at: datetime

    @property
    def account(self) -> str:
        """The account of the role."""
        return self.role.account

    @property
    def allowed(self) -> bool:
        """What the role is."""
        return self.role.allowed

    @property
    def public(self) -> bool:
        """What the role is."""
        return self.role.public

    @property
    def trusted_as(self) -> str:
        """What the trust policy of another role knows it by: the ARN of the role that it has."""
        return self.role.trusted_as

    def arn(self, region: str) -> str:
        """Return the name that STS gives this session in the partition of that region."""
        name = self.role.name.rpartition("/")[2]
        return f"arn:{ecrhosts.partition(region)}:sts::{self.account}:assumed-role/{name}/{self.name}"


Caller = Principal | Session


@dataclass(frozen=True)
class TrustPolicy:
    """Who may assume a role: principals as their `trusted_as`, subjects of web identity tokens."""

    principals: frozenset[str]
    external_id: str | None
    subjects: frozenset[str]


class Directory:
    """All that IAM and STS know, for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._principals: dict[str, Principal] = {}
        self._sessions: dict[str, Session] = {}
        self._roles: dict[str, tuple[Role, TrustPolicy]] = {}
        self._providers: dict[str, Provider] = {}

    def add_principal(self, principal: Principal) -> None:
        """Add a user; one with the same access key is replaced."""
        with self._lock:
            self._principals[principal.access_key] = principal

    def add_role(self, role: Role, policy: TrustPolicy) -> None:
        """Add a role; one with the same name is replaced, and sessions follow the new one."""
        with self._lock:
            self._roles[role.arn()] = role, policy

    def role(self, account: str, name: str) -> tuple[Role, TrustPolicy] | None:
        """Return a role and who may assume it."""
        with self._lock:
            return self._roles.get(Role(account, name).arn())

    def add_key(self, issuer: str, public_key_pem: bytes, audience: str) -> None:
        """Add a key of an issuer to the OIDC providers; the keys that it had are kept."""
        with self._lock:
            known = self._providers.get(issuer)
            self._providers[issuer] = Provider(audience, (*(known.keys if known else ()), public_key_pem))

    def providers(self) -> Mapping[str, Provider]:
        """Return the OIDC providers by issuer."""
        with self._lock:
            return dict(self._providers)

    def new_session(self, role: Role, name: str, life: timedelta) -> Session:
        """Make temporary keys."""
        token = b64encode(secrets.token_bytes(480)).decode()
        session = Session(new_access_key("ASIA"), new_secret_key(), token, role, name, datetime.now(UTC) + life)
        with self._lock:
            self._sessions[session.access_key] = session
        return session

    def sessions(self) -> list[Session]:
        """Return all temporary keys whose role is not forgotten."""
        with self._lock:
            return list(self._sessions.values())

    def caller(self, access_key: str) -> Caller | None:
        """Return whose key that is; a session is gone when its role is."""
        with self._lock:
            session = self._sessions.get(access_key)
            if session is None:
                return self._principals.get(access_key)
            found = self._roles.get(session.role.arn())
            return replace(session, role=found[0]) if found else None

    def expire_sessions(self) -> None:
        """Make all temporary keys given so far dead from now on."""
        with self._lock:
            now = datetime.now(UTC)
            for key, session in self._sessions.items():
                self._sessions[key] = replace(session, expires_at=min(now, session.expires_at))

    def forget_trust(self) -> None:
        """Forget roles, their sessions and OIDC providers; users stay."""
        with self._lock:
            for known in (self._roles, self._sessions, self._providers):
                known.clear()


def trust_policy(
    trusts: Iterable[Principal | Role | str], external_id: str | None, web_identities: Iterable[str]
) -> TrustPolicy:
    """Return the policy that trusts these; a str is an access key or the ARN of a role in the partition `aws`."""
    principals = (each if isinstance(each, str) else each.trusted_as for each in trusts)
    return TrustPolicy(frozenset(principals), external_id, frozenset(web_identities))


def new_access_key(prefix: str = "AKIA") -> str:
    """Return an access key ID; AKIA is a user's, ASIA a temporary one."""
    return prefix + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))


def new_secret_key() -> str:
    """Return 40 characters, always with the two that need care in URLs, YAML and base64."""
    letters = [secrets.choice(string.ascii_letters + string.digits) for _ in range(38)]
    for awkward in "/+":
        letters.insert(1 + secrets.randbelow(len(letters) - 1), awkward)
    return "".join(letters)
