"""What a cluster must look like once the runner is done: the oracle of the property test. Pure.

A Model holds what the test itself did: which namespaces and custom resources there are, and the Secrets and service
accounts of others, byte by byte. From that follows what each namespace must hold. Where several outcomes are right,
because two resources want one Secret or because it is a matter of time what a run still saw, each of them is accepted.

Nothing here is shared with the collection or the runner: globs, selectors and marks are worked out anew.
"""

from __future__ import annotations

import base64
import fnmatch
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

GROUP = "aws.zakariaamine.com"
OWNER, MARKS, PLACE, FINALIZER = (f"{GROUP}/{each}" for each in ("owner", "shared", "secret", "cleanup"))
MANAGED_BY, MANAGER = "app.kubernetes.io/managed-by", "kube-ecr-secrets"
RESOURCE, DIGEST = f"{GROUP}/resource", f"{GROUP}/resource-digest"
OWN_LABELS = {MANAGED_BY, OWNER, DIGEST}
OWN_ANNOTATIONS = {"expiry", PLACE, RESOURCE, *(f"{GROUP}/{each}" for each in ("renew-after", "fingerprint",
                                                                               "identity", "registries"))}  # fmt: skip
DOCKER_CONFIG = "kubernetes.io/dockerconfigjson"
SECRET_NAMES = ("ecr-login", "pull")

Place = tuple[str, str]  # namespace and name
Key = tuple[str, str, str]  # kind, namespace and name of a custom resource
Labels = Mapping[str, str]
Namespaces = Mapping[str, Labels]


@dataclass(frozen=True)
class Resource:
    """A custom resource as the test wrote it; host is the registry that its keys lead to."""

    key: Key
    uid: str
    spec: dict = field(hash=False)
    host: str

    def __str__(self) -> str:
        return "/".join(filter(None, self.key))

    @property
    def secret_name(self) -> str:
        return self.spec["secretName"]

    @property
    def policy(self) -> str:
        return self.spec.get("existingSecretPolicy", "Fail")

    @property
    def is_orphaning(self) -> bool:
        return self.spec.get("deletionPolicy") == "Orphan"

    @property
    def has_to_undo(self) -> bool:
        """Whether it does what the garbage collector does not undo."""
        return bool(self.spec.get("serviceAccounts")) or self.policy == "Merge" or self.is_orphaning

    def targets(self, existing: Namespaces) -> set[str]:
        if self.key[1]:
            return {self.key[1]}
        listed, selector = self.spec.get("namespaces", []), self.spec.get("namespaceSelector")
        found = {each for each in listed if "*" not in each and "?" not in each}
        for name, labels in existing.items():
            selected = selector is not None and selector["matchLabels"].items() <= labels.items()
            if selected or matches(name, listed):
                found.add(name)
        return {each for each in found if not matches(each, self.spec.get("excludeNamespaces", []))}

    def wants(self, place: Place, existing: Namespaces) -> bool:
        return place[1] == self.secret_name and place[0] in self.targets(existing)

    def wants_account(self, account: Place, existing: Namespaces) -> bool:
        return account[0] in self.targets(existing) and matches(account[1], self.spec.get("serviceAccounts", []))


def matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, each) for each in patterns)


@dataclass
class Foreign:
    """A Secret of others as they left it; is_touched says that a policy let us write to it since then."""

    body: dict
    is_touched: bool = False


@dataclass
class Snapshot:
    """What the API server holds."""

    namespaces: dict[str, dict]
    resources: dict[Key, dict]
    secrets: dict[Place, dict]
    accounts: dict[Place, dict]

    def versions(self) -> dict[str, str]:
        """Return the resourceVersion of all that the runner may write."""
        objects = [*self.resources.values(), *self.secrets.values(), *self.accounts.values()]
        return {told(each): each["metadata"]["resourceVersion"] for each in objects}


def told(item: dict) -> str:
    metadata = item["metadata"]
    return "/".join(filter(None, (item.get("kind", ""), metadata.get("namespace"), metadata["name"], metadata["uid"])))


def config_of(secret: dict) -> dict | None:
    """Return the docker config of a Secret, None if there is none that logins could be in."""
    try:
        config = json.loads(base64.b64decode(secret.get("data", {}).get(".dockerconfigjson", "")) or "{}") or {}
        auths = config.get("auths") or {}
        return config if all(isinstance(each, dict) for each in auths.values()) else None
    except (ValueError, AttributeError):
        return None


def owner_of(secret: dict) -> str:
    """Return the UID of the resource that a Secret is the own one of, empty if of none."""
    metadata = secret["metadata"]
    uid = metadata.get("labels", {}).get(OWNER, "")
    is_here = metadata.get("annotations", {}).get(PLACE) == f"{metadata['namespace']}/{metadata['name']}"
    is_managed = metadata.get("labels", {}).get(MANAGED_BY) == MANAGER
    owners = [each["uid"] for each in metadata.get("ownerReferences", [])]
    return uid if is_here and is_managed and uid in owners else ""


def marks_of(item: dict) -> dict[str, dict]:
    """Return what resources put into a Secret or service account of others, by UID."""
    metadata = item["metadata"]
    marks = json.loads(metadata.get("annotations", {}).get(MARKS, "{}"))
    is_here = marks.pop("place", None) == f"{metadata['namespace']}/{metadata['name']}"
    return marks if is_here else {}


def is_held(secret: dict) -> bool:
    """Return whether a Secret has an owner whose own it is; here that is a copy of one of ours."""
    return any(each["apiVersion"].startswith(GROUP) for each in secret["metadata"].get("ownerReferences", []))


class Model:
    """What the test did, as of now and since the last quiet period.

    verify tells whether a login is good: host, user and password.
    """

    def __init__(self, hosts: set[str], verify: Callable[[str, str, str], bool]) -> None:
        self.hosts = hosts
        self.verify = verify
        self.namespaces: dict[str, Labels] = {}
        self.resources: dict[Key, Resource] = {}
        self.foreign: dict[Place, Foreign] = {}
        # The imagePullSecrets of service accounts that are not ours, in order; and what is on our Secrets, by UID.
        self.accounts: dict[Place, list[str]] = {}
        self.decorations: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: {"labels": {}, "annotations": {}})
        # What was in place at the last quiet period: UID of the Secret, and those of the resources that are in it.
        self._held: dict[Place, tuple[str, set[str]]] = {}
        self._began: dict[Place, set[str]] = {}
        self._specs: dict[str, list[Resource]] = {}
        self._states: list[Namespaces] = []
        self.lost: set[Place] = set()
        self.dirty: set[Place] = set()
        self.note()

    # What the test says

    def note(self) -> None:
        """Remember the present state as one that a run may see."""
        self._states.append(dict(self.namespaces))
        for each in self.resources.values():
            versions = self._specs.setdefault(each.uid, [])
            if not versions or versions[-1].spec != each.spec:
                versions.append(each)

    def namespace_gone(self, name: str) -> None:
        """A namespace takes all along that is in it."""
        del self.namespaces[name]
        for kept in (self.foreign, self.accounts):
            for place in [each for each in kept if each[0] == name]:
                del kept[place]
        for key in [each for each in self.resources if each[1] == name]:
            del self.resources[key]
        self.lost |= {(name, each) for each in SECRET_NAMES}

    # What could have been, as far as order and time are open

    def _could(self, place: Place, condition: Callable[[Resource], bool]) -> bool:
        """Return whether a run may have seen a resource that wants a place, or has it, and fulfils the condition."""
        for uid, versions in self._specs.items():
            is_near = uid in self._began.get(place, ()) or any(
                each.wants(place, state) for each in versions for state in self._states
            )
            if is_near and any(condition(each) for each in versions):
                return True
        return False

    def _may_be_adopted(self, place: Place) -> bool:
        return self._could(place, lambda each: each.policy == "Adopt")

    def _may_be_written(self, place: Place) -> bool:
        return self._could(place, lambda each: each.policy != "Fail")

    def _may_be_released(self, place: Place) -> bool:
        return self._could(place, lambda each: each.is_orphaning)

    def _is_steady(self, place: Place) -> bool:
        """Return whether whoever was in place wanted it all the while, or leaves it behind."""
        uid, holders = self._held[place]
        if place in self.lost or not uid:
            return False
        versions = [each for holder in holders for each in self._specs.get(holder, [])]
        present = {each.uid for each in self.resources.values()}
        is_wanted = any(holder in present for holder in holders) and all(
            each.wants(place, state) for each in versions for state in self._states
        )
        is_left = all(each.is_orphaning for each in versions) and not self._may_be_adopted(place)
        return bool(versions) and (is_wanted or (is_left and place not in self.dirty))

    # What must be

    def problems(self, snapshot: Snapshot) -> list[str]:
        """Return all in which a cluster differs from what the specs say."""
        return list(_Check(self, snapshot).all())

    def accept(self, snapshot: Snapshot) -> list[Place]:
        """Take a cluster that has no problems as the beginning of what is next.

        Returns Secrets that nobody can tell whose they are, because the test took their marks while they ceased to be
        wanted: these are for the test to delete.
        """
        untold = []
        for place in {*self.foreign, *snapshot.secrets}:
            secret = snapshot.secrets.get(place)
            if secret is None or owner_of(secret):
                known = self.foreign.pop(place, None)
                if known and secret and known.body["metadata"]["uid"] == secret["metadata"]["uid"]:
                    self._keep_decorations(known.body, secret)
            elif not marks_of(secret) or (
                place in self.dirty and secret["metadata"].get("labels", {}).get(OWNER) != "shared"
            ):
                if place in self.dirty:
                    untold.append(place)
                self.foreign[place] = Foreign(secret)
            elif place in self.foreign or hosts_of_others(secret):
                self.foreign[place] = Foreign(secret, is_touched=True)
        holders = {
            place: {*filter(None, [owner_of(each)]), *marks_of(each)} for place, each in snapshot.secrets.items()
        }
        self._held = {
            place: (snapshot.secrets[place]["metadata"]["uid"], uids) for place, uids in holders.items() if uids
        }
        self._began = {place: uids for place, (_, uids) in self._held.items()}
        self._specs, self._states, self.lost, self.dirty = {}, [], set(), set()
        self.note()
        return untold

    def _keep_decorations(self, before: dict, adopted: dict) -> None:
        kept = self.decorations[adopted["metadata"]["uid"]]
        for kind in ("labels", "annotations"):
            kept[kind] |= before["metadata"].get(kind, {})


class _Check:
    """One look at a cluster."""

    def __init__(self, model: Model, snapshot: Snapshot) -> None:
        self.model = model
        self.snapshot = snapshot
        self.existing = model.namespaces
        self.by_uid = {each.uid: each for each in model.resources.values()}
        self.owners = {place: owner_of(each) for place, each in snapshot.secrets.items()}
        self.sharers = {place: marks_of(each) for place, each in snapshot.secrets.items()}

    def all(self) -> Iterator[str]:
        """Yield what is wrong."""
        if self.snapshot.namespaces.keys() != self.existing.keys():
            yield f"namespaces are {sorted(self.snapshot.namespaces)}, not {sorted(self.existing)}"
            return
        for key in self.snapshot.resources.keys() ^ self.model.resources.keys():
            yield (
                f"{'/'.join(key)}: is there, and should be gone"
                if key in self.snapshot.resources
                else f"{key}: is gone"
            )
        wanted = {(name, each.secret_name) for each in self.by_uid.values() for name in each.targets(self.existing)}
        for place in sorted({*self.snapshot.secrets, *self.model.foreign, *wanted}):
            if place[0] in self.existing:
                yield from (f"Secret {place[0]}/{place[1]}: {each}" for each in self._secret(place))
        for place, (uid, _) in self.model._held.items():
            found = self.snapshot.secrets.get(place)
            if self.model._is_steady(place) and (found is None or found["metadata"]["uid"] != uid):
                yield f"Secret {place[0]}/{place[1]}: was wanted all the while, but was deleted"
        for place in sorted({*self.snapshot.accounts, *self.model.accounts}):
            yield from (f"ServiceAccount {place[0]}/{place[1]}: {each}" for each in self._account(place))
        for resource in self.by_uid.values():
            if resource.key in self.snapshot.resources:
                found = self.snapshot.resources[resource.key]
                yield from (
                    f"{resource}: {each}" for each in (*self._resource(resource, found), *self._status(resource, found))
                )

    # Secrets

    def _is_served(self, resource: Resource, namespace: str) -> bool:
        place = (namespace, resource.secret_name)
        return self.owners.get(place) == resource.uid or resource.uid in self.sharers.get(place, {})

    def _contenders(self, place: Place) -> list[Resource]:
        return [each for each in self.by_uid.values() if each.wants(place, self.existing)]

    def _lingers(self, resource: Resource, place: Place) -> bool:
        """A Secret of an old name stays until the new one stands beside it."""
        namespace, name = place
        is_target = namespace in resource.targets(self.existing)
        return is_target and name != resource.secret_name and not self._is_served(resource, namespace)

    def _secret(self, place: Place) -> Iterator[str]:
        secret, known, contenders = (
            self.snapshot.secrets.get(place),
            self.model.foreign.get(place),
            self._contenders(place),
        )
        if secret is None:
            if known and not self._may_vanish(place, known):
                yield "was somebody's, and is gone"
            if contenders:
                yield f"is missing; wanted by {', '.join(map(str, contenders))}"
        elif self.owners[place]:
            yield from self._own(place, secret, known)
        elif self.sharers[place]:
            yield from self._shared(place, secret, known, contenders)
        else:
            yield from self._unmarked(place, secret, known, contenders)

    def _may_vanish(self, place: Place, known: Foreign) -> bool:
        """One that was adopted goes with its owner; the garbage collector takes a copy of an owner reference."""
        owners = [each["uid"] for each in known.body["metadata"].get("ownerReferences", [])]
        is_orphan = any(uid not in self.by_uid or self.by_uid[uid].key[1] not in ("", place[0]) for uid in owners)
        return is_orphan or self.model._may_be_adopted(place) or place in self.model.dirty

    def _own(self, place: Place, secret: dict, known: Foreign | None) -> Iterator[str]:
        resource, metadata = self.by_uid.get(self.owners[place]), secret["metadata"]
        if resource is None:
            yield f"belongs to a resource that is gone ({self.owners[place]})"
            return
        if not resource.wants(place, self.existing):
            if not self._lingers(resource, place):
                yield f"is left behind by {resource}"
            return
        if known and known.body["metadata"]["uid"] == metadata["uid"] and not self.model._may_be_adopted(place):
            yield f"was somebody's, and belongs to {resource} now"
        if [each["uid"] for each in metadata["ownerReferences"]] != [resource.uid]:
            yield f"has the owners {metadata['ownerReferences']}"
        if metadata["annotations"].get(RESOURCE) != str(resource) or DIGEST not in metadata["labels"]:
            yield f"does not say that {resource} wrote it"
        template = resource.spec.get("secretTemplate", {})
        kept = {"labels": {}, "annotations": {}} | self.model.decorations.get(metadata["uid"], {})
        for kind, marks in (("labels", OWN_LABELS), ("annotations", OWN_ANNOTATIONS)):
            had = (
                known.body["metadata"].get(kind, {})
                if known and known.body["metadata"]["uid"] == metadata["uid"]
                else {}
            )
            wanted = {name: value for name, value in {**had, **kept[kind]}.items() if not _is_mark(name, value)}
            wanted |= template.get(kind, {})
            found = {name: value for name, value in metadata.get(kind, {}).items() if name not in marks}
            if "tier" not in wanted and found.get("tier") == "mine":  # the test put it there, in the template's place
                del found["tier"]
            if found != wanted:
                yield f"has the {kind} {found}, not {wanted}"
        if secret["type"] != DOCKER_CONFIG or set(secret["data"]) != {".dockerconfigjson"}:
            yield f"is of type {secret['type']} with {sorted(secret['data'])}"
        config = config_of(secret) or {}
        if set(config) != {"auths"} or set(config["auths"]) != {resource.host}:
            yield f"has more than a login for {resource.host}: {sorted(config)} {sorted(config.get('auths') or {})}"
        yield from self._logins(secret, {resource.host}, set())

    def _logins(self, secret: dict, hosts: set[str], allowed: set[str]) -> Iterator[str]:
        """Check that there are good logins for these hosts, and of ours no other but those that are allowed."""
        auths = (config_of(secret) or {}).get("auths") or {}
        ours = (auths.keys() & self.model.hosts) - (allowed - hosts)
        stale = auths.keys() & {f"https://{each}" for each in hosts}
        if ours != hosts or stale:
            yield f"has logins for {sorted({*ours, *stale})}, not {sorted(hosts)}"
        for host in hosts & auths.keys():
            login = auths[host]
            pair = f"{login.get('username')}:{login.get('password')}"
            if base64.b64decode(login.get("auth", "")).decode() != pair or not self.model.verify(
                host, login["username"], login["password"]
            ):
                yield f"has a login for {host} that is not good"

    def _shared(self, place: Place, secret: dict, known: Foreign | None, contenders: list[Resource]) -> Iterator[str]:
        inside, hosts, allowed = self.sharers[place], set(), self._allowed(place, known)
        is_found = place not in self.model.dirty or secret["metadata"].get("labels", {}).get(OWNER) == "shared"
        for uid in inside:
            resource = self.by_uid.get(uid)
            if not is_found and resource not in contenders:
                allowed |= {*inside[uid]["names"]}
            elif resource is None:
                yield f"has marks of a resource that is gone ({uid})"
            elif not (resource.policy == "Merge" and resource in contenders) and not self._lingers(resource, place):
                yield f"has marks of {resource}, which does not merge into it"
            elif resource in contenders:
                hosts.add(resource.host)
            else:  # nobody keeps it fresh there
                allowed |= {*inside[uid]["names"]}
        for each in contenders:
            if each.policy == "Merge" and each.uid not in inside:
                yield f"{each} did not merge into it"
        yield from self._logins(secret, hosts, allowed)
        if known:
            yield from self._like_before(place, secret, known)
        else:
            config = config_of(secret) or {}
            if set(config) - {"auths"} or {*(config.get("auths") or {})} - hosts - allowed:
                yield "has logins of others, though we made it"

    def _allowed(self, place: Place, known: Foreign | None) -> set[str]:
        """Return hosts whose logins may be in a Secret though nobody wants them: others put them in, or they stayed."""
        is_left = self.model._may_be_released(place) or place in self.model.dirty
        return (hosts_of_others(known.body) if known else set()) | (self.model.hosts if is_left else set())

    def _unmarked(self, place: Place, secret: dict, known: Foreign | None, contenders: list[Resource]) -> Iterator[str]:
        if known and known.body["metadata"]["uid"] == secret["metadata"]["uid"]:
            yield from self._like_before(place, secret, known)
        elif place not in self.model.dirty and not self.model._may_be_released(place):
            yield "has no mark of ours, and nobody made it"
        for each in contenders:
            reason = self._why_blocked(each, secret)
            if reason is None:
                yield f"{each} did not {each.policy.lower()} it"

    def _why_blocked(self, resource: Resource, secret: dict) -> str | None:
        """Return the reason for which a resource leaves a Secret of others alone, None if it has none."""
        if resource.policy == "Fail" or is_held(secret):
            return "SecretConflict"
        if secret["type"] != DOCKER_CONFIG:
            return "WrongSecretType"
        return "InvalidSecretContent" if resource.policy == "Merge" and config_of(secret) is None else None

    def _like_before(self, place: Place, secret: dict, known: Foreign) -> Iterator[str]:
        if not (known.is_touched or self.model._may_be_written(place)):
            if secret != known.body:
                yield f"is somebody's, and was changed: {_difference(known.body, secret)}"
            return
        before, now = (self._theirs(each) for each in (known.body, secret))
        if before != now:
            yield f"is somebody's, and is not what it was but for our logins: {_difference(before, now)}"
        if not self.sharers[place]:
            yield from self._logins(secret, set(), self._allowed(place, known))
        if not self.sharers[place] and any(GROUP in each for each in _keys(secret) - _keys(known.body)):
            yield f"has marks of ours left: {_keys(secret) - _keys(known.body)}"

    def _theirs(self, secret: dict) -> dict:
        """Return what of a Secret is not ours."""
        metadata, config = secret["metadata"], config_of(secret)
        kept = {
            kind: {name: value for name, value in metadata.get(kind, {}).items() if not _is_mark(name, value)}
            for kind in ("labels", "annotations")
        }
        data = secret.get("data", {})
        if config is not None:
            auths = config.get("auths") or {}
            left = {key: each for key, each in auths.items() if key.removeprefix("https://") not in self.model.hosts}
            data = {**data, ".dockerconfigjson": {**config, "auths": left}}
        owners = metadata.get("ownerReferences", [])
        return {"uid": metadata["uid"], "type": secret["type"], **kept, "owners": owners, "data": data}

    # Service accounts

    def _account(self, place: Place) -> Iterator[str]:
        account, theirs = self.snapshot.accounts.get(place), self.model.accounts.get(place, [])
        if account is None:
            yield "is gone"
            return
        wanting = [each for each in self.by_uid.values() if each.wants_account(place, self.existing)]
        needed = {each.secret_name for each in wanting if self._is_served(each, place[0])} - {*theirs}
        unserved = any(not self._is_served(each, place[0]) for each in wanting)
        allowed = needed | ({*SECRET_NAMES} - {*theirs} if unserved else set())
        found = [each["name"] for each in account.get("imagePullSecrets", [])]
        ours = list((Counter(found) - Counter(theirs)).elements())
        if [each for each in found if each in theirs] != theirs:
            yield f"has {found}, where others have put {theirs}"
        if len(set(ours)) != len(ours) or not needed <= set(ours) <= allowed:
            yield f"has {found}, not {theirs} and {sorted(needed)} ({sorted(allowed)})"
        strangers = marks_of(account).keys() - {each.uid for each in wanting}
        if strangers or (not marks_of(account) and any(GROUP in each for each in _keys(account))):
            yield f"has marks that nobody wants: {sorted(_keys(account))}, {sorted(strangers)}"

    # Resources

    def _resource(self, resource: Resource, found: dict) -> Iterator[str]:
        metadata = found["metadata"]
        if metadata["uid"] != resource.uid or metadata.get("deletionTimestamp"):
            yield "is not gone yet"
        finalizers = metadata.get("finalizers", [])
        has_marks = any(
            resource.uid in marks for marks in (*self.sharers.values(), *map(marks_of, self.snapshot.accounts.values()))
        )
        is_needed = has_marks or (resource.has_to_undo and bool(resource.targets(self.existing)))
        if is_needed and finalizers != [FINALIZER]:
            yield f"needs a finalizer, and has {finalizers}"
        if finalizers and not (has_marks or resource.has_to_undo):
            yield f"has the finalizers {finalizers} and needs none"

    def _status(self, resource: Resource, found: dict) -> Iterator[str]:
        status, targets = found.get("status", {}), resource.targets(self.existing)
        served = {each for each in targets if each in self.existing and self._is_served(resource, each)}
        if status.get("observedGeneration") != found["metadata"]["generation"]:
            yield "has a status of an older generation"
            return
        counts = (status.get("namespacesReady"), status.get("namespacesTotal"))
        if counts != (len(served), len(targets)):
            yield f"tells {counts[0]}/{counts[1]} namespaces, not {len(served)}/{len(targets)}"
        failures = {each["namespace"]: each for each in status.get("failures", [])}
        if failures.keys() != targets - served:
            yield f"tells failures in {sorted(failures)}, not {sorted(targets - served)}"
        for namespace in failures.keys() & (targets - served):
            reasons, text = self._told_of(resource, namespace)
            failure = failures[namespace]
            if failure["reason"] not in reasons or text not in failure["message"]:
                yield f"tells {failure}, not {reasons} with {text!r}"
        is_broken = any(each in self.existing for each in targets - served)
        is_ready = not is_broken and (bool(served) or not targets)
        ready = {each["type"]: each["status"] for each in status["conditions"]}["Ready"]
        if ready != str(is_ready):
            yield f"tells Ready={ready}"

    def _told_of(self, resource: Resource, namespace: str) -> tuple[set[str | None], str]:
        """Return the reasons, and a part of the message, that a status may have of a namespace that is not served."""
        place = (namespace, resource.secret_name)
        if namespace not in self.existing:
            return {"NamespaceNotFound", "NamespaceTerminating"}, namespace
        secret = self.snapshot.secrets.get(place)
        holder = self.by_uid.get(self.owners.get(place, ""))
        if holder:
            return {"SecretConflict"}, f"{holder.key[0]}/{holder.key[2]}"
        if self.sharers.get(place):
            return {"SecretConflict"}, min(self.sharers[place])
        return {secret and self._why_blocked(resource, secret)}, f"secrets/{place[1]}"


def _is_mark(name: str, value: str) -> bool:
    return name in OWN_ANNOTATIONS or name.startswith(f"{GROUP}/") or value == MANAGER


def hosts_of_others(secret: dict) -> set[str]:
    """Return the hosts that a Secret holds logins for, but for those that marks name."""
    marked = {name for each in marks_of(secret).values() for name in each["names"]}
    return {*((config_of(secret) or {}).get("auths") or {})} - marked


def _keys(item: dict) -> set[str]:
    metadata = item["metadata"]
    return {*metadata.get("labels", {}), *metadata.get("annotations", {})}


def _difference(before: object, now: object, path: str = "") -> str:
    """Return where two objects differ, for a person."""
    if isinstance(before, dict) and isinstance(now, dict):
        parts = (
            _difference(before.get(name), now.get(name), f"{path}.{name}") for name in sorted({*before, *now}, key=str)
        )
        return "; ".join(filter(None, parts))
    return "" if before == now else f"{path}: {str(before)[:200]} -> {str(now)[:200]}"
