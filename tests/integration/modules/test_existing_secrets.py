"""Secrets that were there before: existingSecretPolicy against the real API server, and who comes first."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import Cluster
from tests.support.cluster.placement import (
    FINALIZER,
    MARKS,
    OWNER,
    WRITE,
    copied,
    finalizers,
    foreign,
    is_gone,
    placed,
    states,
    steps,
    told,
    uid_of,
    versions,
)
from tests.support.harness.ansible import Ansible

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
ELSEWHERE = HOST.replace("eu-west-1", "us-east-1")
GHCR = {"username": "me", "password": "canary-ghcr", "auth": "bWU6Y2FuYXJ5LWdoY3I=", "email": "me@example.com"}
SHARED: dict[str, Any] = {
    "others": {"credHelpers": {"gcr.io": "gcloud"}, "auths": {"z.io": {}, "ghcr.io": GHCR}, "HttpHeaders": {"X": "é"}},
    "null": '{"auths":null}',
    "empty": "{}\n",
    "nothing": "null",
    "region": {"auths": {ELSEWHERE: GHCR, HOST: {"auth": "b2xkOm9sZA=="}}},
    "stale": {"auths": {f"https://{HOST}": GHCR, f"https://{HOST}/v2/": GHCR, "https://ghcr.io": GHCR}},
}


def text(secret: dict | None) -> str:
    """Return the docker config of a Secret as it stands."""
    assert secret is not None
    return base64.b64decode(secret["data"][".dockerconfigjson"]).decode()


def without_ours(content: object) -> dict:
    """Return what of a docker config is others', with auths where there are none."""
    config = json.loads(content) if isinstance(content, str) else json.loads(json.dumps(content))
    config = config or {}
    kept = {key: value for key, value in (config.get("auths") or {}).items() if HOST not in key}
    return {**config, "auths": kept}


def test_merge_keeps_all_else_and_takes_out_only_its_own(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Under Fail nothing is touched; the resource goes while AWS is down, and leaves what it found."""
    names = dict(zip(SHARED, cluster.namespaces(*SHARED), strict=True))
    labels = {"labels": {"team": "a"}, "annotations": {"example.com/note": "mine"}, "name": "ecr-login"}
    before = {case: foreign(cluster, names[case], content, metadata=labels) for case, content in SHARED.items()}
    cluster.apply(placed("app", principal, list(names.values())))
    refused = ansible.reconcile()
    for case, namespace in names.items():
        assert told(refused, "app", namespace)["reason"] == "SecretConflict"
        assert cluster.secret(namespace) == before[case]
    assert finalizers(cluster, "app") == []

    cluster.apply(placed("app", principal, list(names.values()), existingSecretPolicy="Merge"))
    assert states(ansible.reconcile(), "app") == dict.fromkeys(names.values(), "updated")
    assert finalizers(cluster, "app") == [FINALIZER]
    for case, namespace in names.items():
        now = cluster.secret(namespace)
        assert now is not None
        config = json.loads(text(now))
        assert aws.verify(HOST, config["auths"][HOST]["username"], config["auths"][HOST]["password"])
        assert {key for key in config["auths"] if HOST in key} == {HOST}
        assert json.dumps(without_ours(text(now))) == json.dumps({**without_ours(SHARED[case])}, sort_keys=False)
        assert uid_of(now) == uid_of(before[case])
        assert now["metadata"]["labels"]["team"] == "a"
        assert "ownerReferences" not in now["metadata"]
    seen = versions(cluster, names.values())
    assert "changed=0" in ansible.reconcile().stdout
    assert versions(cluster, names.values()) == seen

    aws.stop()
    cluster.delete("ClusterAWSECRImagePullSecret", "app")
    gone = ansible.reconcile()
    assert gone.status == 0, gone.output
    assert steps(gone, "app", "removed") == {(each, "ecr-login", "released") for each in names.values()}
    assert is_gone(cluster, "app")
    for case, namespace in names.items():
        left = cluster.secret(namespace)
        assert left is not None
        assert json.loads(text(left)) == without_ours(SHARED[case])
        for field in ("uid", "labels", "annotations"):
            assert left["metadata"][field] == before[case]["metadata"][field]
    assert "canary" not in gone.output


@pytest.mark.slow
def test_a_login_of_others_for_a_part_of_our_registry_stays_and_is_told_until_it_is_gone(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    """A pass that writes nothing tells of it, too."""
    (team,) = cluster.namespaces("team")
    foreign(cluster, team, {"auths": {f"{HOST}/team": GHCR}})
    cluster.apply(placed("app", principal, [team], existingSecretPolicy="Merge"))
    for state in ("updated", "unchanged"):
        before = versions(cluster, [team])
        run = ansible.reconcile()
        outcome = told(run, "app", team)
        assert (outcome["state"], outcome["reason"]) == (state, "LoginShadowed")
        assert outcome["shadowed_by"] == [f"{HOST}/team"]
        assert f"secrets/ecr-login in namespace {team} holds logins of somebody else" in outcome["msg"]
        assert f"[WARNING]: ClusterAWSECRImagePullSecret/app: {outcome['msg'][:20]}" in " ".join(run.output.split())
        assert "canary" not in run.output
    assert versions(cluster, [team]) == before
    assert cluster.config(team)["auths"][f"{HOST}/team"] == GHCR

    data = {".dockerconfigjson": base64.b64encode(b"{}").decode()}
    cluster.core.patch_namespaced_secret("ecr-login", team, {"data": data})
    outcome = told(ansible.reconcile(), "app", team)
    assert (outcome["state"], outcome["reason"], "shadowed_by" in outcome) == ("updated", "", False)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "opaque": ({"type": "Opaque"}, "WrongSecretType"),
    "dockercfg": ({"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "e30="}}, "WrongSecretType"),
    "immutable": ({"immutable": True}, "ImmutableSecret"),
    "held": ({"controller": True}, "SecretConflict"),
    "list": ({"config": {"auths": []}}, "InvalidSecretContent"),
    "text": ({"config": {"auths": {"ghcr.io": "text"}}}, "InvalidSecretContent"),
    "refused": ({"config": {"auths": {"ghcr.io": {"auth": "x y"}}}}, "InvalidSecretContent"),
    "twice": ({"config": '{"auths": {"ghcr.io": {}}, "auths": {}}'}, "InvalidSecretContent"),
}


@pytest.mark.slow
def test_what_cannot_be_adopted_or_merged_into_stays_and_says_why(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    """Others are served. Broken content is no obstacle to Adopt, which replaces it."""
    served, *rest = cluster.namespaces("served", *REFUSED)
    names = dict(zip(REFUSED, rest, strict=True))
    before = {}
    for policy in ("adopt", "merge"):
        for case, (fields, _reason) in REFUSED.items():
            given = {name: value for name, value in fields.items() if name not in ("controller", "config")}
            if "type" in given:
                cluster.core.create_namespaced_secret(names[case], {"metadata": {"name": policy}, **given})
            else:
                foreign(cluster, names[case], fields.get("config", "{}"), policy, **given)
            if "controller" in fields:
                config_map = cluster.core.create_namespaced_config_map(names[case], {"metadata": {"name": policy}})
                owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": policy, "uid": config_map.metadata.uid}
                patch = {"metadata": {"ownerReferences": [{**owner, "controller": True}]}}
                cluster.core.patch_namespaced_secret(policy, names[case], patch)
            before[policy, case] = cluster.secret(names[case], policy)
    cluster.apply(
        placed("adopt", principal, [*rest, served], existingSecretPolicy="Adopt", secretName="adopt"),
        placed("merge", principal, [*rest, served], existingSecretPolicy="Merge", secretName="merge"),
    )
    run = ansible.reconcile()
    assert states(run, "adopt")[served] == states(run, "merge")[served] == "created"
    for (policy, case), secret in before.items():
        outcome, reason = told(run, policy, names[case]), REFUSED[case][1]
        if (policy, reason) == ("adopt", "InvalidSecretContent"):
            assert outcome["state"] == "updated"
            continue
        assert (outcome["state"], outcome["reason"]) == ("failed", reason)
        assert f"secrets/{policy} in namespace {names[case]}" in outcome["msg"]
        assert cluster.secret(names[case], policy) == secret
    assert "ConfigMap/merge" in told(run, "merge", names["held"])["msg"]
    assert "Traceback" not in run.output

    cluster.kubectl("delete", "secret", "merge", "-n", names["immutable"])
    assert states(ansible.reconcile(), "merge")[names["immutable"]] == "created"


def test_adopt_takes_over_in_place_and_keeps_what_is_not_logins(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    (own,) = cluster.namespaces("own")
    before = foreign(cluster, own, SHARED["others"], metadata={"name": "ecr-login", "labels": {"team": "a"}})
    cluster.apply(placed("app", principal, namespace=own, existingSecretPolicy="Adopt"))
    assert states(ansible.reconcile(), "app") == {own: "updated"}
    after = cluster.secret(own)
    assert after is not None
    assert uid_of(after) == uid_of(before)
    assert after["metadata"]["labels"]["team"] == "a"
    assert [each["name"] for each in after["metadata"]["ownerReferences"]] == ["app"]
    assert cluster.config(own)["auths"].keys() == {HOST}
    assert finalizers(cluster, "app", own) == []
    seen = versions(cluster, [own])
    assert "changed=0" in ansible.reconcile().stdout
    assert versions(cluster, [own]) == seen


@pytest.mark.slow
def test_a_changed_policy_changes_the_secret_in_place_with_the_token_that_it_holds(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """One namespace has a Secret of the resource alone, the other one of somebody; AWS is asked once."""
    own, theirs = cluster.namespaces("own", "theirs")
    before = foreign(cluster, theirs, SHARED["others"])
    uid, logins = "", {}

    def reconcile(policy: str) -> dict[str, str]:
        cluster.apply(placed("app", principal, [own, theirs], existingSecretPolicy=policy))
        run = ansible.reconcile()
        if uid:
            assert uid_of(cluster.secret(own)) == uid
            assert cluster.config(own)["auths"] == logins
        return states(run, "app")

    def is_idle() -> bool:
        before = versions(cluster, [own, theirs])
        return "changed=0" in ansible.reconcile().stdout and versions(cluster, [own, theirs]) == before

    assert reconcile("Fail") == {own: "created", theirs: "failed"}
    uid, logins = uid_of(cluster.secret(own)), cluster.config(own)["auths"]
    assert reconcile("Merge") == {own: "updated", theirs: "updated"}
    assert (cluster.secret(own) or {})["metadata"].get("ownerReferences") is None
    assert cluster.config(theirs)["auths"] == {**SHARED["others"]["auths"], **logins}
    assert finalizers(cluster, "app") == [FINALIZER]

    assert reconcile("Fail") == {own: "updated", theirs: "failed"}
    assert (cluster.secret(own) or {})["metadata"]["ownerReferences"][0]["name"] == "app"
    assert json.loads(text(cluster.secret(theirs))) == SHARED["others"]
    assert (cluster.secret(theirs) or {})["metadata"].get("labels") is None
    assert finalizers(cluster, "app") == []
    assert is_idle()

    reconcile("Merge")
    assert reconcile("Adopt") == {own: "updated", theirs: "updated"}
    for namespace in (own, theirs):
        now = cluster.secret(namespace)
        assert now is not None
        assert now["metadata"]["ownerReferences"][0]["name"] == "app"
        assert MARKS not in now["metadata"]["annotations"]
        assert cluster.config(namespace)["auths"] == logins
    assert uid_of(cluster.secret(theirs)) == uid_of(before)
    assert finalizers(cluster, "app") == []
    assert is_idle()
    assert aws.count("GetAuthorizationToken") == 1


@pytest.mark.slow
def test_two_resources_merge_into_one_secret_which_goes_with_the_last(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """One namespace has a Secret that they made, the other one of somebody; a third comes that wants it for itself."""
    made, theirs = cluster.namespaces("made", "theirs")
    foreign(cluster, theirs, SHARED["others"])
    other = aws.principal(account="444455556666")
    policy = {"existingSecretPolicy": "Merge"}
    cluster.apply(
        placed("first", principal, [made, theirs], **policy), placed("second", other, [made, theirs], **policy)
    )
    ansible.reconcile()
    both = {principal.registry(), other.registry()}
    assert cluster.config(made)["auths"].keys() == both
    assert cluster.config(theirs)["auths"].keys() == {*both, "ghcr.io", "z.io"}
    for name in ("Adopt", "Fail"):
        cluster.apply(placed(name.lower(), principal, [made], existingSecretPolicy=name))
    seen = versions(cluster, [made, theirs])
    run = ansible.reconcile()
    for name in ("first", "second"):
        uid = cluster.resource("ClusterAWSECRImagePullSecret", name)["metadata"]["uid"]
        for loser in ("adopt", "fail"):
            assert told(run, loser, made)["reason"] == "SecretConflict"
            assert uid in told(run, loser, made)["msg"]
    assert versions(cluster, [made, theirs]) == seen
    for name in ("adopt", "fail"):
        cluster.delete("ClusterAWSECRImagePullSecret", name)

    cluster.delete("ClusterAWSECRImagePullSecret", "first")
    ansible.reconcile()
    assert cluster.config(made)["auths"].keys() == {other.registry()}
    assert cluster.config(theirs)["auths"].keys() == {other.registry(), "ghcr.io", "z.io"}
    assert is_gone(cluster, "first")
    cluster.delete("ClusterAWSECRImagePullSecret", "second")
    ansible.reconcile()
    assert cluster.secret(made) is None
    assert json.loads(text(cluster.secret(theirs))) == SHARED["others"]
    assert is_gone(cluster, "second")


@pytest.mark.slow
def test_resources_of_one_registry_share_its_entry_until_the_last_of_them_goes(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    (shared,) = cluster.namespaces("shared")
    foreign(cluster, shared, SHARED["others"])
    again = Principal(principal.access_key, principal.secret_key, principal.account)
    for name in ("first", "second"):
        cluster.apply(placed(name, again, [shared], existingSecretPolicy="Merge"))
    ansible.reconcile()
    seen = versions(cluster, [shared])
    assert "changed=0" in ansible.reconcile().stdout
    assert versions(cluster, [shared]) == seen
    login = cluster.config(shared)["auths"][HOST]
    cluster.delete("ClusterAWSECRImagePullSecret", "first")
    ansible.reconcile()
    assert cluster.config(shared)["auths"][HOST] == login
    assert is_gone(cluster, "first")


@pytest.mark.slow
def test_edits_of_a_shared_secret_stay_where_they_are_others_and_are_put_right_where_they_are_ours(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """A copy of it elsewhere is nobody's business, but what the copy's namespace merges into it."""
    good, edited, emptied, copy = cluster.namespaces("good", "edited", "emptied", "copy")
    cluster.apply(placed("app", principal, [good, edited, emptied], existingSecretPolicy="Merge"))
    ansible.reconcile()
    made = cluster.secret(edited)
    assert made is not None
    here, there = copied(cluster, made, edited, "my-copy"), copied(cluster, made, copy)

    def write(namespace: str, config: object) -> None:
        data = {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode()}
        cluster.core.patch_namespaced_secret("ecr-login", namespace, {"data": data})

    write(edited, {"auths": {HOST: {"auth": "bWU6bWU="}, "ghcr.io": GHCR}, "psFormat": "x"})
    write(emptied, {})
    aws.forget_calls()
    assert states(ansible.reconcile(), "app") == {good: "unchanged", edited: "updated", emptied: "updated"}
    assert aws.calls == []
    login = cluster.config(good)["auths"][HOST]
    assert cluster.config(edited) == {"auths": {HOST: login, "ghcr.io": GHCR}, "psFormat": "x"}
    assert cluster.config(emptied) == {"auths": {HOST: login}}
    assert uid_of(cluster.secret(edited)) == uid_of(made)
    assert "changed=0" in ansible.reconcile().stdout

    cluster.kubectl("delete", "secret", "ecr-login", "-n", emptied)
    assert states(ansible.reconcile(), "app")[emptied] == "created"
    cluster.delete("ClusterAWSECRImagePullSecret", "app")
    ansible.reconcile()
    assert cluster.config(edited) == {"auths": {"ghcr.io": GHCR}, "psFormat": "x"}
    assert cluster.secret(good) is cluster.secret(emptied) is None
    assert cluster.secret(edited, "my-copy") == here
    assert cluster.secret(copy) == there


@pytest.mark.slow
def test_who_comes_first_has_the_secret_and_the_other_is_told_and_gets_it_later(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Two that are new in the same pass, and one that comes later and would adopt what is nobody's; no fight."""
    fresh, taken = cluster.namespaces("fresh", "taken")
    cluster.apply(placed("holder", principal, [taken]))
    ansible.reconcile()
    held = cluster.secret(taken)
    other = aws.principal(account="444455556666")
    cluster.apply(
        placed("late", other, [taken, fresh], existingSecretPolicy="Adopt"),
        placed("rival", principal, [fresh]),
    )
    run = ansible.reconcile()
    assert told(run, "late", taken)["reason"] == "SecretConflict"
    assert "owned by ClusterAWSECRImagePullSecret/holder" in told(run, "late", taken)["msg"]
    assert sorted([states(run, "late")[fresh], states(run, "rival")[fresh]]) == ["created", "failed"]
    winner, loser = ("late", "rival") if states(run, "late")[fresh] == "created" else ("rival", "late")
    assert told(run, loser, fresh)["reason"] == "SecretConflict"
    assert f"owned by ClusterAWSECRImagePullSecret/{winner}" in told(run, loser, fresh)["msg"]
    settled = cluster.secret(fresh), cluster.secret(taken)
    assert settled[1] == held
    for _pass in range(2):
        assert "changed=0" in ansible.reconcile().stdout
        assert (cluster.secret(fresh), cluster.secret(taken)) == settled

    cluster.delete("ClusterAWSECRImagePullSecret", winner)
    cluster.wait(lambda: cluster.secret(fresh) is None, "the garbage collector has been there")
    assert states(ansible.reconcile(), loser)[fresh] == "created"
    uid = cluster.resource("ClusterAWSECRImagePullSecret", loser)["metadata"]["uid"]
    assert (cluster.secret(fresh) or {})["metadata"]["labels"][OWNER] == uid


@pytest.mark.slow
def test_an_outage_of_aws_during_a_change_of_policy_leaves_what_can_pull(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Somebody's edit of the shared Secret makes its token one that is not copied, though it still works."""
    (own,) = cluster.namespaces("own")
    cluster.apply(placed("app", principal, [own], existingSecretPolicy="Merge"))
    ansible.reconcile()
    login = cluster.config(own)
    data = {".dockerconfigjson": base64.b64encode(json.dumps(login, indent=2).encode()).decode()}
    cluster.core.patch_namespaced_secret("ecr-login", own, {"data": data})
    cluster.apply(placed("app", principal, [own], existingSecretPolicy="Fail"))
    aws.stop()
    run = ansible.reconcile()
    assert run.items(WRITE)["app"]["removed"] == []
    assert cluster.config(own) == login
    aws.start()
    assert states(ansible.reconcile(), "app") == {own: "updated"}
    assert (cluster.secret(own) or {})["metadata"]["ownerReferences"][0]["name"] == "app"
