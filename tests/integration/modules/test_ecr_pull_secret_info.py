"""ecr_pull_secret_info against the real API server, in real ansible-playbook runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import urllib3
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_pull_secret_info import FEATURE
from ansible_collections.kube_ecr.secrets.plugins.modules.ecr_pull_secret_info import EXAMPLES
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import CLUSTER, GROUP, NAMESPACED, Cluster, pull_secret
from tests.support.harness.ansible import TARGET_PYTHON, Ansible, Run

HOST, OTHER_HOST = (f"111122223333.dkr.ecr.{region}.amazonaws.com" for region in ("eu-west-1", "us-east-1"))
CANARY = "canary-password"
FOREIGN_DATA = "eyJhdXRocyI6eyJnaGNyLmlvIjp7ImF1dGgiOiJZVHBpIn19fQ=="
WAYS: dict[str, dict[str, str]] = {"fast": {}, "shipped": {"SHIPPED": "1"}}


def ask(name: str = "Ask", way: str = "fast", **options: object) -> dict[str, Any]:
    """Return the task; `environment` makes Ansible ship the module, as it does to any other host."""
    variables = {"ansible_python_interpreter": TARGET_PYTHON}
    how = {"environment": WAYS[way], "vars": variables, "ignore_errors": True}
    return {"name": name, "kube_ecr.secrets.ecr_pull_secret_info": options, **how}


def write(namespace: str, hours: float = 12, host: str = HOST, **options: object) -> dict[str, Any]:
    """Return the task by which a playbook writes a Secret."""
    login = {"registry": host, "password": CANARY, "expires_at": after(hours)}
    chosen = {"secret_name": "ecr-login", "namespaces": [namespace], "authorizations": [login], **options}
    return {"name": f"Write {namespace}", "kube_ecr.secrets.ecr_pull_secret": chosen}


def after(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def told(run: Run, namespaces: list[str], name: str = "Ask") -> dict[str, dict[str, Any]]:
    """Return what was told of Secrets in these namespaces; others may still be there of other tests."""
    found = run.result(name)["pull_secrets"]
    places = [(each["namespace"], each["name"]) for each in found]
    assert places == sorted(set(places))
    return {each["namespace"]: each for each in found if each["namespace"] in namespaces}


def failed(run: Run, name: str) -> bool:
    (status,) = (each["status"] for each in run.results if each["task"] == name)
    return status == "failed"


def annotate(cluster: Cluster, namespace: str, **annotations: str | None) -> None:
    cluster.core.patch_namespaced_secret("ecr-login", namespace, {"metadata": {"annotations": annotations}})


def copied(cluster: Cluster, source: str, target: str) -> None:
    """Copy a Secret as people do: as it is, with another namespace."""
    secret = cluster.secret(source)
    assert secret is not None
    metadata = {name: secret["metadata"].get(name) for name in ("name", "labels", "annotations", "ownerReferences")}
    cluster.core.create_namespaced_secret(target, {**secret, "metadata": metadata})


def test_what_is_ours_how_long_it_lives_and_whose_it_is(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    names = played, own, served = cluster.namespaces("played", "own", "served")
    cluster.apply(pull_secret("app", principal, namespace=own), pull_secret("all", principal, namespaces=[served]))
    ansible.reconcile()
    run = ansible.play(write(played, 2), ask(), args=("-vvvv",))
    result, found = run.result("Ask"), told(run, names)
    secrets = {name: cluster.secret(name) for name in names}
    annotations = {name: secret["metadata"]["annotations"] for name, secret in secrets.items() if secret}

    assert result["changed"] is False
    assert 7100 < found[played].pop("expires_in") <= 7200
    assert found[played] == {
        "namespace": played,
        "name": "ecr-login",
        "managed": True,
        "output": None,
        "shared": False,
        "intact": True,
        "held_by": "",
        "owners": [],
        "requested": [HOST],
        "expires_at": annotations[played]["expiry"],
        "renew_after": annotations[played][f"{GROUP}/renew-after"],
        "expired": False,
    }
    for namespace, kind, name, within in ((own, NAMESPACED, "app", own), (served, CLUSTER, "all", None)):
        uid = cluster.resource(kind, name, within or "")["metadata"]["uid"]
        assert found[namespace]["owners"] == [{"kind": kind, "namespace": within, "name": name, "uid": uid}]
        assert (found[namespace]["managed"], found[namespace]["intact"]) == (True, True)
        assert found[namespace]["requested"] == ["eu-west-1"]
        assert found[namespace]["expires_at"] == annotations[namespace]["expiry"]
    assert CANARY not in run.output

    checked = ansible.play(ask(), args=("--check",))
    assert checked.result("Ask")["changed"] is False
    assert told(checked, names).keys() == set(names)


@pytest.mark.slow
def test_what_dies_soon_is_told_and_can_fail_a_job(ansible: Ansible, cluster: Cluster) -> None:
    """With the examples of the documentation, as a user has them."""
    names = lives, dying, dead, unclear = cluster.namespaces("lives", "dying", "dead", "unclear")
    ansible.play(write(lives), write(dying, 1), write(dead), write(unclear))
    cluster.age_secret(dead, dead=True)
    annotate(cluster, unclear, expiry=None)
    run = ansible.play(
        ask("all"), ask("soon", expires_within_seconds=7200), ask("now", expires_within_seconds=0), ask("again")
    )
    assert told(run, names, "all").keys() == set(names)
    assert told(run, names, "soon").keys() == {dying, dead, unclear}
    assert told(run, names, "now").keys() == {dead, unclear}
    found = told(run, names, "now")
    assert (found[dead]["expires_at"], found[dead]["expired"]) == ("2020-01-02T00:00:00Z", True)
    assert found[dead]["expires_in"] < 0
    assert run.result("soon")["expires_at"] == "2020-01-02T00:00:00Z", "the earliest"
    assert (found[unclear]["expires_at"], found[unclear]["expires_in"]) == (None, None)
    assert (found[unclear]["expired"], found[unclear]["intact"]) == (False, False)

    for each in (ansible, ansible.oldest()):
        examples = each.play(*yaml.safe_load(EXAMPLES))
        failure = examples.result("Fail if there are any, so that AWX sends its notification")
        assert examples.status == 2
        assert f"{dead}/ecr-login (until 2020-01-02T00:00:00Z, for a playbook or an unknown owner)" in failure["msg"]
        assert f"{unclear}/ecr-login (until an unknown time" in failure["msg"]
        assert f"{lives}/" not in failure["msg"]


@pytest.mark.slow
def test_a_shared_secret_is_told_once_with_the_first_of_its_tokens(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    (namespace,) = cluster.namespaces("shared")
    secret = {"metadata": {"name": "ecr-login"}, "data": {".dockerconfigjson": FOREIGN_DATA}}
    cluster.core.create_namespaced_secret(namespace, {**secret, "type": "kubernetes.io/dockerconfigjson"})
    resource = pull_secret("app", principal, namespace=namespace)
    resource["spec"]["existingSecretPolicy"] = "Merge"
    cluster.apply(resource)
    ansible.reconcile()
    first = ansible.play(ask())
    merged = write(namespace, 1, OTHER_HOST, existing_secret_policy="Merge")
    run = ansible.play(merged, ask(), ask("soon", expires_within_seconds=7200))

    alone = told(first, [namespace])[namespace]
    both = told(run, [namespace])[namespace]
    uid = cluster.resource(NAMESPACED, "app", namespace)["metadata"]["uid"]
    for found in (alone, both):
        assert (found["managed"], found["shared"], found["intact"], found["held_by"]) == (True, True, True, "")
        assert found["owners"] == [{"kind": None, "namespace": None, "name": None, "uid": uid}]
    assert (alone["requested"], both["requested"]) == (["eu-west-1"], [OTHER_HOST, "eu-west-1"])
    assert both["expires_at"] == run.result(f"Write {namespace}")["expires_at"] < alone["expires_at"]
    assert both["expires_in"] <= 3600 < alone["expires_in"]
    assert told(run, [namespace], "soon").keys() == {namespace}
    assert GROUP in str(cluster.secret(namespace))
    cluster.core.patch_namespaced_secret("ecr-login", namespace, {"data": secret["data"]})
    assert told(ansible.play(ask()), [namespace])[namespace]["intact"] is False


@pytest.mark.slow
def test_by_name_all_are_told_and_by_labels_only_what_is_ours(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    names = ours, owned, copy, second, helm, bare, operator = cluster.namespaces(
        "ours", "owned", "copy", "second", "helm", "bare", "operator"
    )
    cluster.apply(pull_secret("all", principal, namespaces=[owned]))
    ansible.reconcile()
    ansible.play(write(ours), write(ours, secret_name="other"))
    copied(cluster, ours, copy)
    copied(cluster, owned, second)
    for namespace, labels in ((helm, {"app.kubernetes.io/managed-by": "Helm"}), (bare, {})):
        foreign = {"metadata": {"name": "ecr-login", "labels": labels, "annotations": {"expiry": after(1)}}}
        cluster.core.create_namespaced_secret(namespace, foreign)
    cluster.apply(pull_secret("old", principal, namespace=operator))
    uid = cluster.resource(NAMESPACED, "old", operator)["metadata"]["uid"]
    reference = {"apiVersion": f"{GROUP}/v1alpha2", "kind": NAMESPACED, "name": "old", "uid": uid}
    left = {"name": "ecr-login", "annotations": {"expiry": "2020-01-02T00:00:00Z"}, "ownerReferences": [reference]}
    cluster.core.create_namespaced_secret(operator, {"metadata": left})

    chosen = {"namespaces": [*names, "other"]}
    run = ansible.play(
        ask("labels", **chosen),
        ask("name", secret_name="ecr-login"),
        ask("dead", secret_name="ecr-login", expires_within_seconds=0),
    )
    assert [(each["namespace"], each["name"]) for each in run.result("labels")["pull_secrets"]] == [
        (ours, "ecr-login"),
        (ours, "other"),
        (owned, "ecr-login"),
    ]
    found = told(run, names, "name")
    assert {each["name"] for each in run.result("name")["pull_secrets"]} == {"ecr-login"}
    assert {name: (each["managed"], each["held_by"]) for name, each in found.items()} == {
        ours: (True, ""),
        owned: (True, ""),
        copy: (False, f"is a copy of {ours}/ecr-login"),
        second: (False, f"is a copy of {owned}/ecr-login"),
        helm: (False, "is managed by Helm"),
        bare: (False, "was not made by kube_ecr.secrets"),
        operator: (False, f"is owned by {NAMESPACED}/old"),
    }
    assert {name for name, each in found.items() if each["intact"]} == {ours, owned}
    assert {name for name, each in found.items() if each["owners"]} == {owned, operator}
    assert found[operator]["owners"] == [{"kind": NAMESPACED, "namespace": operator, "name": "old", "uid": uid}]
    assert found[copy]["expires_at"] == found[ours]["expires_at"]
    assert {found[name]["expires_at"] for name in (helm, bare)} == {None}, "another's annotation of that name"
    assert told(run, names, "dead").keys() == {operator}


def test_an_edit_shows_though_the_marks_still_stand(ansible: Ansible, cluster: Cluster) -> None:
    names = cluster.namespaces("data", "life", "label", "more")
    data, life, label, more = names
    ansible.play(*(write(name) for name in names))
    cluster.core.patch_namespaced_secret("ecr-login", data, {"data": {".dockerconfigjson": FOREIGN_DATA}})
    annotate(cluster, life, expiry=after(99))
    cluster.core.patch_namespaced_secret("ecr-login", label, {"metadata": {"labels": {"team": "a"}}})
    cluster.core.patch_namespaced_secret("ecr-login", more, {"data": {"more": "eA=="}})
    found = told(ansible.play(ask()), names)
    assert {name: each["intact"] for name, each in found.items()} == {data: False, life: False, label: True, more: True}
    assert {each["managed"] for each in found.values()} == {True}


@pytest.mark.slow
def test_names_of_namespaces_need_no_right_elsewhere_and_a_missing_one_is_named(
    ansible: Ansible, cluster: Cluster
) -> None:
    names = first, second, denied = cluster.namespaces("info-a", "info-b", "denied")
    ansible.play(*(write(name) for name in names))
    for namespace in (first, second):
        cluster.kubectl("create", "role", "lister", "-n", namespace, "--verb=list", "--resource=secrets")
        cluster.kubectl("create", "rolebinding", "lister", "-n", namespace, "--role=lister", "--user=lister")
    narrow = {"kubeconfig": str(cluster.plane.kubeconfig_for("lister"))}
    run = ansible.play(
        ask("allowed", namespaces=[second, first], **narrow),
        ask("named", namespaces=[second], secret_name="ecr-login", **narrow),
        ask("globs", namespaces=[first.replace("-a-", "-?-")]),
        ask("denied", namespaces=[first, denied], **narrow),
        ask("cluster", **narrow),
        ask("globs denied", namespaces=[first, "info-*"], **narrow),
    )
    assert [each["namespace"] for each in run.result("allowed")["pull_secrets"]] == [first, second]
    assert [each["namespace"] for each in run.result("named")["pull_secrets"]] == [second]
    assert told(run, names, "globs").keys() == {first, second}
    for name, where in (
        ("denied", f"namespace {denied}"),
        ("cluster", "the cluster"),
        ("globs denied", "the cluster"),
    ):
        result = run.result(name)
        assert failed(run, name)
        assert result["error"]["reason"] == "Forbidden"
        assert result["msg"].startswith(f"list secrets in {where}: Forbidden: secrets is forbidden")
        assert "pull_secrets" not in result


@pytest.mark.slow
def test_the_shipped_module_gives_the_result_of_the_fast_path(ansible: Ansible, cluster: Cluster) -> None:
    names = ours, dead = cluster.namespaces("ours", "dead")
    ansible.play(write(ours), write(dead))
    cluster.age_secret(dead, dead=True)
    cases: dict[str, dict[str, Any]] = {
        "all": {"namespaces": names},
        "dead": {"namespaces": names, "expires_within_seconds": 0},
        "name": {"namespaces": names, "secret_name": "ecr-login"},
        "none": {"namespaces": names, "secret_name": "nothing"},
        "refused": {"namespaces": ["Not Valid"]},
        "no cluster": {"kubeconfig": "/nonexistent"},
    }
    run = ansible.play(
        *(ask(f"{case} {way}", way, **chosen) for case, chosen in cases.items() for way in WAYS), args=("-vvvv",)
    )
    for case in cases:
        fast, shipped = (_comparable(run.result(f"{case} {way}")) for way in WAYS)
        assert fast == shipped
        assert failed(run, f"{case} fast") is failed(run, f"{case} shipped") is (case in ("refused", "no cluster"))
    assert [each["namespace"] for each in run.result("all shipped")["pull_secrets"]] == [dead, ours]
    assert run.result("none shipped")["pull_secrets"] == []
    assert run.result("none shipped")["expires_at"] is None
    assert CANARY not in run.output


def _comparable(result: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in result.items() if not name.startswith("_ansible")}
    for each in kept.get("pull_secrets", []):
        each["expires_in"] //= 1000
    return {name: kept.get(name) for name in ("changed", "msg", "error", "pull_secrets", "expires_at")}


def test_no_data_of_a_secret_is_sent(ansible: Ansible, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here in this process, where all that the API server answers can be seen."""
    names = ours, foreign = cluster.namespaces("ours", "foreign")
    ansible.play(write(ours))
    cluster.core.create_namespaced_secret(foreign, {"metadata": {"name": "ecr-login"}, "data": {"x": FOREIGN_DATA}})
    secret = cluster.secret(ours)
    assert secret is not None
    answers: list[bytes] = []
    request = urllib3.PoolManager.request

    def recorded(*args: object, **options: object) -> urllib3.BaseHTTPResponse:
        answer = request(*args, **options)  # type: ignore[arg-type]
        answers.append(answer.data)
        return answer

    monkeypatch.setattr(urllib3.PoolManager, "request", recorded)
    # It would take the files away that the test's own client has its key in.
    monkeypatch.setattr("kubernetes.config.kube_config._cleanup_temp_files", lambda: None)
    for chosen in ({}, {"namespaces": names}, {"secret_name": "ecr-login"}):
        answers.clear()
        options = {"kubeconfig": cluster.kubeconfig, **chosen}
        params = ArgumentSpecValidator(FEATURE.argument_spec).validate(options).validated_parameters
        found = FEATURE.run(params, False, False)["pull_secrets"]
        assert ours in {each["namespace"] for each in found}
        assert any(ours.encode() in each for each in answers)
        for data in (secret["data"][".dockerconfigjson"], FOREIGN_DATA):
            assert not any(data.encode() in each for each in answers)


INVALID: dict[str, dict[str, Any]] = {
    "secret_name: 'Ecr' is not a valid Secret name": {"secret_name": "Ecr"},
    "secret_name: '' is not a valid Secret name": {"secret_name": ""},
    "namespaces: the list is empty": {"namespaces": []},
    "namespaces: 'Team' is neither the name of a namespace": {"namespaces": ["Team"]},
    "expires_within_seconds: -1 is not between 0 and": {"expires_within_seconds": -1},
    "expires_within_seconds: 99999999999999 is not between 0 and": {"expires_within_seconds": 99999999999999},
    "NoCluster: Invalid kube-config file. Expected object with name nope": {"context": "nope"},
    "no connection to https://127.0.0.1:9": {"host": "https://127.0.0.1:9"},
}


def test_what_cannot_be_done_says_which_option(ansible: Ansible) -> None:
    defaults = {"module_defaults": {"group/kube_ecr.secrets.k8s": {"kubeconfig": "/nonexistent"}}}
    run = ansible.play(*(ask(words, **chosen) for words, chosen in INVALID.items()), {**ask("defaults"), **defaults})
    for words in INVALID:
        assert words in run.result(words)["msg"]
        assert failed(run, words)
        assert run.result(words)["changed"] is False
    assert run.result("defaults")["error"]["reason"] == "NoCluster"
