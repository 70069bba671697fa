"""Whatever people do, and in whatever order: in the end the cluster is what the specs say, and nothing else changed.

Each round is a burst of random edits while the runner works, is stopped or is killed in the middle; then the cluster
has to become what the oracle (oracle/convergence.py) says, and stay so without a write. KUBE_ECR_SEEDS=1-50
runs more seeds than the few of the suite; a failure prints all that was done, and KUBE_ECR_SEEDS=N does it again, as
far as time allows.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable
from random import Random

import pytest

from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.objects import CLUSTER, GROUP, NAMESPACED, VERSION, Cluster
from tests.support.harness.runner import Runner
from tests.support.oracle.convergence import (
    DOCKER_CONFIG,
    MANAGED_BY,
    MARKS,
    OWNER,
    SECRET_NAMES,
    Foreign,
    Key,
    Model,
    Place,
    Resource,
    Snapshot,
    config_of,
    marks_of,
    owner_of,
)

ROUNDS = int(os.environ.get("KUBE_ECR_ROUNDS", "2"))
OPERATIONS = 10
# The garbage collector may have to learn of our kinds first (see controlplane).
CONVERGE_SECONDS = 75.0
# Longer than the runner waits for what its watches have to tell after a run (controller.SETTLE_DELAY).
IDLE_SECONDS = 2.8
PLURALS = {NAMESPACED: "awsecrimagepullsecrets", CLUSTER: "clusterawsecrimagepullsecrets"}
MERGE_PATCH = "application/merge-patch+json"


def seeds() -> list[int]:
    first, _, last = os.environ.get("KUBE_ECR_SEEDS", "").partition("-")
    return list(range(int(first), int(last or first) + 1)) if first else [1]


class Api:
    """Bare calls to the API server, whose answers are what it holds, byte by byte."""

    def __init__(self, cluster: Cluster) -> None:
        self._client = cluster.core.api_client

    def __call__(self, method: str, path: str, body: object = None, content: str = "application/json") -> dict | None:
        """Return what is answered; None for what is not there, is there already, or was changed meanwhile."""
        headers = {"Content-Type": content, "Accept": "application/json"}
        answer = self._client.call_api(method, f"{self._client.configuration.host}{path}", headers, body)
        text = answer.read()
        if answer.status in (404, 409) or b"because it is being terminated" in text:
            return None
        assert answer.status < 300, f"{method} {path}: {text!r}"
        return json.loads(text)


def object_path(plural: str, place: Place) -> str:
    return f"/api/v1/namespaces/{place[0]}/{plural}/{place[1]}"


def resource_path(key: Key) -> str:
    kind, namespace, name = key
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{GROUP}/{VERSION}{within}/{PLURALS[kind]}/{name}"


def collection(path: str) -> str:
    return path.rpartition("/")[0]


class World:
    """All that people do, at random, to a cluster, told to the model."""

    def __init__(self, cluster: Cluster, aws: AWSEndpoint, runner: Runner, random: Random) -> None:
        self.api = Api(cluster)
        self.runner = runner
        self.random = random
        self.names = cluster.names("team-a", "team-b", "dev-c", "late-d")
        self.suffix = self.names[0].rpartition("-")[2]
        accounts = ("111122223333", "444455556666")
        self.principals = [aws.principal(account) for account in accounts]
        self.model = Model({each.registry() for each in self.principals}, aws.verify)
        self.keys = [
            (CLUSTER, "", "one"),
            (CLUSTER, "", "two"),
            (NAMESPACED, self.names[0], "app"),
            (NAMESPACED, self.names[0], "job"),
            (NAMESPACED, self.names[1], "app"),
        ]
        self.log: list[str] = []
        self._log_from = 0
        self._terminating: dict[str, str] = {}

    def tell(self, text: str) -> None:
        self.log.append(f"{time.strftime('%H:%M:%S')} {text}")

    # Operations

    def act(self) -> None:
        """Do one thing that can be done."""
        operations: dict[Callable[[], None], int] = {
            self.make_resource: 4,
            self.edit_resource: 7,
            self.delete_resource: 2,
            self.change_namespace: 4,
            self.edit_secret: 5,
            self.delete_secret: 2,
            self.put_foreign: 4,
            self.edit_foreign: 2,
            self.copy_secret: 1,
            self.change_account: 3,
            self.disturb_runner: 2,
        }
        done = len(self.log)
        while len(self.log) == done:
            self.random.choices(list(operations), list(operations.values()))[0]()
        self.model.note()

    def begin(self) -> None:
        """Make what there is before the first round."""
        for name in self.names[:3]:
            self.make_namespace(name)
        for key in self.random.sample(self.keys, 4):
            self._create(key)
        for _ in range(2):
            self.put_foreign()
        self.start()
        self.model.note()

    def some_place(self) -> Place:
        """Return a place where there may be something, or may come to be."""
        resources, existing = self.model.resources.values(), self.model.namespaces
        wanted = {(name, each.secret_name) for each in resources for name in each.targets(existing)}
        anywhere = (self.random.choice(self.names), self.random.choice(SECRET_NAMES))
        return self.random.choice([*sorted({*wanted, *self.model.foreign}), anywhere])

    # Custom resources

    def _random_field(self, name: str) -> object:
        pick = self.random.choice
        a, b, c, d = self.names
        values: dict[str, list] = {
            "secretName": list(SECRET_NAMES),
            "serviceAccounts": [None, ["default"], ["build-*"], ["default", "builder"]],
            "secretTemplate": [
                None,
                {"labels": {"tier": "one"}},
                {"labels": {"tier": "two"}, "annotations": {"note": "x"}},
            ],
            "existingSecretPolicy": [None, "Fail", "Adopt", "Merge", "Merge"],
            "deletionPolicy": [None, None, "Delete", "Orphan"],
            "namespaces": [
                [a],
                [a, b],
                [c, d],
                [f"team-?-{self.suffix}"],
                [f"*-{self.suffix}"],
                [d, f"t*-{self.suffix}"],
                None,
            ],
            "namespaceSelector": [None, {"matchLabels": {"ecr": f"yes-{self.suffix}"}}],
            "excludeNamespaces": [None, None, [b], [f"dev-*-{self.suffix}"]],
        }
        if name == "awsAccess":
            principal = pick(self.principals)
            keys = {"accessKeyId": principal.access_key, "secretAccessKey": principal.secret_key}
            return {"region": "eu-west-1", **keys}
        return pick(values[name])

    def _fields(self, key: Key) -> list[str]:
        names = [
            "secretName",
            "awsAccess",
            "serviceAccounts",
            "secretTemplate",
            "existingSecretPolicy",
            "deletionPolicy",
        ]
        return names if key[1] else [*names, "namespaces", "namespaceSelector", "excludeNamespaces"]

    def _sound(self, key: Key, spec: dict) -> dict:
        """Return what of a spec the API server takes: fields that are None are left out."""
        spec = {name: value for name, value in spec.items() if value is not None}
        if not key[1] and "namespaces" not in spec and "namespaceSelector" not in spec:
            spec["namespaces"] = [self.names[0]]
        return spec

    def _create(self, key: Key) -> None:
        spec = self._sound(key, {name: self._random_field(name) for name in self._fields(key)})
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": key[0], "metadata": {"name": key[2]}, "spec": spec}
        made = self.api("POST", collection(resource_path(key)), body)
        self.tell(f"create {'/'.join(key)}: {self._told(spec)}{'' if made else ' (not possible)'}")
        if made:
            self._take(key, made)

    def _told(self, spec: dict) -> str:
        account = next(each.account for each in self.principals if each.access_key == spec["awsAccess"]["accessKeyId"])
        return json.dumps({**spec, "awsAccess": account})

    def _take(self, key: Key, found: dict) -> None:
        access_key = found["spec"]["awsAccess"]["accessKeyId"]
        host = next(each.registry() for each in self.principals if each.access_key == access_key)
        self.model.resources[key] = Resource(key, found["metadata"]["uid"], found["spec"], host)

    def make_resource(self) -> None:
        free = [each for each in self.keys if each not in self.model.resources and self._is_open(each[1])]
        if free:
            self._create(self.random.choice(free))

    def _is_open(self, namespace: str) -> bool:
        return not namespace or namespace in self.model.namespaces

    def edit_resource(self) -> None:
        if not self.model.resources:
            return
        key = self.random.choice(sorted(self.model.resources))
        before = spec = self.model.resources[key].spec
        while spec == before:
            fields = self.random.sample(self._fields(key), self.random.choice([1, 1, 2]))
            spec = self._sound(key, before | {name: self._random_field(name) for name in fields})
        patch = [{"op": "replace", "path": "/spec", "value": spec}]
        made = self.api("PATCH", resource_path(key), patch, "application/json-patch+json")
        self.tell(f"edit {'/'.join(key)}: {self._told(spec)}")
        assert made is not None
        self._take(key, made)

    def delete_resource(self) -> None:
        if self.model.resources:
            key = self.random.choice(sorted(self.model.resources))
            self.tell(f"delete {'/'.join(key)}")
            self.api("DELETE", resource_path(key))
            del self.model.resources[key]

    # Namespaces

    def make_namespace(self, name: str) -> None:
        labels = {"ecr": f"yes-{self.suffix}"} if self.random.random() < 0.5 else {}
        made = self.api("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        self.tell(f"create namespace {name} {labels}{'' if made else ' (not possible)'}")
        if made:
            self.model.namespaces[name] = labels

    def change_namespace(self) -> None:
        name = self.random.choice(self.names)
        if name not in self.model.namespaces:
            self.make_namespace(name)
        elif self.random.random() < 0.35:
            self.tell(f"delete namespace {name}")
            self.api("DELETE", f"/api/v1/namespaces/{name}")
            self.model.namespace_gone(name)
        else:
            labels = {} if self.model.namespaces[name] else {"ecr": f"yes-{self.suffix}"}
            self.tell(f"label namespace {name} {labels}")
            patch = {"metadata": {"labels": labels or {"ecr": None}}}
            self.api("PATCH", f"/api/v1/namespaces/{name}", patch, MERGE_PATCH)
            self.model.namespaces[name] = labels

    # Secrets

    def secret(self, place: Place) -> dict | None:
        return self.api("GET", object_path("secrets", place)) if place[0] in self.model.namespaces else None

    def _patch(self, secret: dict, patch: dict) -> dict | None:
        """Change a Secret as it was read, None if that was changed meanwhile."""
        metadata = secret["metadata"]
        version = {"resourceVersion": metadata["resourceVersion"], "uid": metadata["uid"]}
        patch = {**patch, "metadata": {**patch.get("metadata", {}), **version}}
        return self.api("PATCH", object_path("secrets", (metadata["namespace"], metadata["name"])), patch, MERGE_PATCH)

    def edit_secret(self) -> None:
        """Tamper with one of ours, or with what we put into one of others."""
        place = self.some_place()
        secret = self.secret(place)
        if secret and owner_of(secret):
            self._edit_own(place, secret)
        elif secret and marks_of(secret):
            self._edit_shared(place, secret)

    def _edit_own(self, place: Place, secret: dict) -> None:
        labels: dict[str, dict] = {
            "managed-by": {"labels": {MANAGED_BY: "me"}},
            "owner": {"labels": {OWNER: "somebody"}},
            "no owner": {"labels": {OWNER: None}},
            "expiry": {"annotations": {"expiry": None}},
            "fingerprint": {"annotations": {f"{GROUP}/fingerprint": "0"}},
            "references": {"ownerReferences": None},
            "template": {"labels": {"tier": "mine"}},
        }
        edits = {name: {"metadata": each} for name, each in labels.items() if place not in self.model.dirty}
        edits |= {"data": {"data": {".dockerconfigjson": encoded({"auths": {}})}}, "decorate": {}, "annotate": {}}
        name = self.random.choice(list(edits))
        number = str(self.random.randrange(100))
        if name == "decorate":
            edits[name] = {"metadata": {"labels": {"theirs": number}}}
        elif name == "annotate":
            edits[name] = {"metadata": {"annotations": {"theirs": number}}}
        done = self._patch(secret, edits[name])
        self.tell(f"edit our Secret {'/'.join(place)}: {name}{'' if done else ' (not possible)'}")
        if not done:
            return
        if name in labels and name != "template":
            self.model.dirty.add(place)
        elif name in ("decorate", "annotate"):
            for kind in ("labels", "annotations"):
                self.model.decorations[secret["metadata"]["uid"]][kind] |= edits[name]["metadata"].get(kind, {})

    def _edit_shared(self, place: Place, secret: dict) -> None:
        config = config_of(secret) or {}
        auths = config.get("auths") or {}
        name = self.random.choice(["garble", "empty", "marks", "label", "add"])
        patch: dict = {"metadata": {}}
        if name == "garble":
            patch["data"] = {
                host: {**each, "password": "x"} if host in self.model.hosts else each for host, each in auths.items()
            }
        elif name == "empty":
            patch["data"] = {host: each for host, each in auths.items() if host not in self.model.hosts}
        elif name == "add":
            patch["data"] = {**auths, f"{self.random.randrange(9)}.example.com": {"auth": "eDp5"}}
        elif name == "marks":
            patch["metadata"] = {"annotations": {MARKS: None}}
        else:
            patch["metadata"] = {"labels": {OWNER: None}}
        if "data" in patch:
            patch["data"] = {".dockerconfigjson": encoded({**config, "auths": patch["data"]})}
        done = self._patch(secret, patch)
        self.tell(f"edit shared Secret {'/'.join(place)}: {name}{'' if done else ' (not possible)'}")
        if not done:
            return
        if name in ("marks", "label"):
            self.model.dirty.add(place)
        if name in ("marks", "add"):  # from now on it is theirs, whoever made it
            self.model.foreign[place] = Foreign(done, is_touched=True)

    def delete_secret(self) -> None:
        place = self.some_place()
        if self.secret(place):
            self.tell(f"delete Secret {'/'.join(place)}")
            self._delete(place)

    def _delete(self, place: Place) -> None:
        self.api("DELETE", object_path("secrets", place))
        self.model.foreign.pop(place, None)
        self.model.lost.add(place)

    def put_foreign(self) -> None:
        """Make a Secret of somebody, in the place of what is there."""
        place = self.some_place()
        if place[0] not in self.model.namespaces:
            return
        host = self.random.choice(sorted(self.model.hosts))
        others = {"ghcr.io": {"auth": "dTpw"}, "quay.io": {"username": "u", "password": "p"}}
        configs: dict[str, object] = {
            "full": {"credHelpers": {"gcr.io": "gcloud"}, "auths": others},
            "null": {"auths": None},
            "empty": {},
            "broken": {"auths": ["x"]},
            "stale": {"auths": {f"https://{host}": {"auth": "QVdTOm9sZA=="}, **others}},
        }
        name = self.random.choice([*configs, "full", "opaque", "bare"])
        body: dict = {"metadata": {"name": place[1]}}
        if self.random.random() < 0.3:
            body["metadata"] |= {"labels": {"team": "blue"}, "annotations": {"about": "this"}}
        if name in configs:
            body |= {"type": DOCKER_CONFIG, "data": {".dockerconfigjson": encoded(configs[name])}}
        elif name == "opaque":
            body |= {"type": "Opaque", "data": {"key": "eA=="}}
        if self.secret(place):
            self.tell(f"delete Secret {'/'.join(place)}")
            self._delete(place)
        self._make_foreign(place, body, name)

    def _make_foreign(self, place: Place, body: dict, name: str) -> None:
        made = self.api("POST", collection(object_path("secrets", place)), body)
        self.tell(f"create Secret {'/'.join(place)}: {name}{'' if made else ' (not possible)'}")
        if made:
            self.model.foreign[place] = Foreign(made)
            self.model.lost.add(place)

    def edit_foreign(self) -> None:
        if self.model.foreign:
            place = self.random.choice(sorted(self.model.foreign))
            secret, known = self.secret(place), self.model.foreign[place]
            is_known = secret is not None and secret["metadata"]["uid"] == known.body["metadata"]["uid"]
            if not is_known or owner_of(secret) or place in self.model.dirty:
                return
            done = self._patch(secret, {"metadata": {"labels": {"round": str(self.random.randrange(100))}}})
            self.tell(f"label the foreign Secret {'/'.join(place)}{'' if done else ' (not possible)'}")
            if done:
                is_touched = known.is_touched or secret != known.body
                self.model.foreign[place] = Foreign(done, is_touched)

    def copy_secret(self) -> None:
        """Copy one of ours to another namespace or name, with all that its metadata can take along."""
        source, place = self.some_place(), self.some_place()
        secret = self.secret(source)
        if secret is None or not (owner_of(secret) or marks_of(secret)) or place[0] not in self.model.namespaces:
            return
        if self.secret(place):
            place = (place[0], f"copy-{self.random.randrange(1000)}")
        kept = {each: secret["metadata"][each] for each in ("labels", "annotations", "ownerReferences")
                if each in secret["metadata"]}  # fmt: skip
        body = {"metadata": {**kept, "name": place[1]}, "type": secret["type"], "data": secret["data"]}
        self._make_foreign(place, body, f"copy of {'/'.join(source)}")

    # Service accounts

    def change_account(self) -> None:
        place = (self.random.choice(self.names), self.random.choice(["default", "builder", "build-x"]))
        if place[0] not in self.model.namespaces:
            return
        account = self.api("GET", object_path("serviceaccounts", place))
        if account is None:
            if place[1] != "default":
                self._make_account(place)
            return
        theirs = self.model.accounts.get(place, [])
        entries = account.get("imagePullSecrets", [])
        what = self.random.choice(["add", "remove", "strip", "delete"])
        if what == "delete":
            self.api("DELETE", object_path("serviceaccounts", place))
            self.model.accounts.pop(place, None)
            self.tell(f"delete ServiceAccount {'/'.join(place)}")
            return
        if what == "add":
            name = f"theirs-{self.random.randrange(1000)}"
            theirs, entries = [*theirs, name], [*entries, {"name": name}]
        elif what == "remove":
            theirs, gone = theirs[1:], theirs[:1]
            entries = [each for each in entries if each["name"] not in gone]
        else:
            entries = [{"name": each} for each in theirs]
        patch = {"metadata": {"resourceVersion": account["metadata"]["resourceVersion"]}, "imagePullSecrets": entries}
        done = self.api("PATCH", object_path("serviceaccounts", place), patch, MERGE_PATCH)
        self.tell(f"{what} in ServiceAccount {'/'.join(place)}: {theirs}{'' if done else ' (not possible)'}")
        if done:
            self.model.accounts[place] = theirs

    def _make_account(self, place: Place) -> None:
        theirs = self.random.choice([[], ["theirs"], [SECRET_NAMES[0]], ["theirs", SECRET_NAMES[1], "more"]])
        entries = [{"name": each} for each in theirs]
        body = {"metadata": {"name": place[1]}, **({"imagePullSecrets": entries} if entries else {})}
        made = self.api("POST", collection(object_path("serviceaccounts", place)), body)
        self.tell(f"create ServiceAccount {'/'.join(place)}: {theirs}{'' if made else ' (not possible)'}")
        if made:
            self.model.accounts[place] = theirs

    # The runner

    def disturb_runner(self) -> None:
        if self.runner.process is None:
            self.start()
        elif self.random.random() < 0.3:
            self.tell("stop the runner")
            self.stop()
        else:
            # In the middle of a run, if one comes.
            deadline = time.monotonic() + 1.0
            while not self.is_working() and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(self.random.uniform(0, 2.0) if self.is_working() else 0)
            self.tell(f"kill the runner{' in a run' if self.is_working() else ''}")
            self.runner.kill()
            self.runner.clean()

    def start(self) -> None:
        if self.runner.process is None:
            self.tell("start the runner")
            self._log_from = len(self.runner.log) if self.runner.log_path.exists() else 0
            self.runner.start()

    def stop(self) -> None:
        deadline = time.monotonic() + CONVERGE_SECONDS
        while " watching " not in self._recent_log():
            assert time.monotonic() < deadline, self.report(["the runner does not start"])
            time.sleep(0.05)
        assert self.runner.stop() == 0

    def runs_started(self) -> int:
        return self._recent_log().count(" run started ")

    def is_working(self) -> bool:
        log = self._recent_log()
        return " watching " not in log or log.count(" run started ") > log.count(" run ended ")

    def _recent_log(self) -> str:
        return self.runner.log[self._log_from :]

    # What is there

    def look(self) -> Snapshot:
        names = set(self.names)

        def listed(path: str, kind: str) -> list[dict]:
            found = self.api("GET", path)
            assert found is not None
            return [{"apiVersion": found["apiVersion"], "kind": kind, **each} for each in found["items"]]

        def placed(plural: str, kind: str) -> dict[Place, dict]:
            found = {
                (each["metadata"]["namespace"], each["metadata"]["name"]): each
                for each in listed(f"/api/v1/{plural}", kind)
            }
            return {place: each for place, each in found.items() if place[0] in names}

        # What is written by others than the runner is looked at last.
        secrets, accounts = placed("secrets", "Secret"), placed("serviceaccounts", "ServiceAccount")
        resources = {
            (kind, each["metadata"].get("namespace", ""), each["metadata"]["name"]): each
            for kind, plural in PLURALS.items()
            for each in listed(f"/apis/{GROUP}/{VERSION}/{plural}", kind)
        }
        namespaces = {each["metadata"]["name"]: each for each in listed("/api/v1/namespaces", "Namespace")}
        return Snapshot({name: namespaces[name] for name in names & namespaces.keys()}, resources, secrets, accounts)

    def settle(self) -> None:
        """Wait until the cluster is what it should be and the runner is idle; then nothing may be written any more."""
        deadline = time.monotonic() + CONVERGE_SECONDS
        problems = ["nobody looked"]
        while problems or self.is_working():
            assert time.monotonic() < deadline, self.report(problems or ["the runner does not come to rest"])
            time.sleep(0.15)
            problems = self.model.problems(self.look())
        while True:
            while self.is_working():
                assert time.monotonic() < deadline, self.report(["the runner does not come to rest"])
                time.sleep(0.1)
            runs, before = self.runs_started(), self.look()
            time.sleep(IDLE_SECONDS)
            after = self.look()
            if runs == self.runs_started() and not self.is_working():
                break
            self.tell("another run, though all is as it should be")
        problems = self.model.problems(after)
        written = [each for each, version in after.versions().items() if before.versions().get(each) != version]
        assert not problems, self.report([*problems, "it was as it should be, and is no more"])
        assert not written, self.report([f"{each}: was written while the runner was idle" for each in written])
        untold = self.model.accept(after)
        if untold:
            for place in untold:
                self.tell(f"delete Secret {'/'.join(place)}, of which nobody can tell whose it is")
                self._delete(place)
            self.model.note()
            self.settle()

    def report(self, problems: list[str]) -> str:
        done = "\n".join(self.log)
        log = "\n".join(self.runner.log.splitlines()[-25:])
        return "\n".join(
            ["it is not what it should be:", *problems, "", "what was done:", done, "", "the runner:", log]
        )


def encoded(config: object) -> str:
    return base64.b64encode(json.dumps(config).encode()).decode()


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds())
def test_whatever_people_do_the_cluster_becomes_what_the_specs_say(
    cluster: Cluster, aws: AWSEndpoint, runner: Runner, seed: int
) -> None:
    world = World(cluster, aws, runner, Random(seed))
    world.begin()
    world.settle()
    for number in range(ROUNDS):
        world.tell(f"round {number + 1}")
        for _ in range(OPERATIONS):
            world.act()
            time.sleep(world.random.choice([0, 0, 0.1, 0.8]))
        world.start()
        world.settle()
