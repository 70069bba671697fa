"""What is ours is known by the marks that are left: what hands, policies, backups and orphan deletions leave behind.

The table of all mixtures is in tests/unit/collection/secret/test_whose.py; here the API server makes some of them.
"""

from __future__ import annotations

import base64
import json

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import GROUP, Cluster
from tests.support.cluster.placement import (
    MARKS,
    OWNER,
    entries,
    foreign,
    is_gone,
    make_account,
    placed,
    states,
    steps,
    told,
    uid_of,
    versions,
)
from tests.support.harness.ansible import Ansible

KIND = "ClusterAWSECRImagePullSecret"
MERGE = {"existingSecretPolicy": "Merge"}


def applied_as_text(cluster: Cluster, namespace: str, config: str, name: str = "ecr-login") -> None:
    """Apply the login of a Secret through stringData, as a GitOps tool with a manager of its own does."""
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": config},
    }
    cluster.kubectl("apply", "--server-side", "--field-manager=gitops", "-f", "-", stdin=json.dumps(body))


def orphaned(cluster: Cluster, name: str) -> None:
    """Delete a resource without what depends on it, as a restore of the resource alone comes to, too."""
    cluster.kubectl("patch", KIND, name, "--type=merge", '--patch={"metadata":{"finalizers":null}}')
    cluster.kubectl("delete", KIND, name, "--cascade=orphan", "--wait=true")


@pytest.mark.slow
@pytest.mark.versions
def test_a_login_applied_as_text_is_noticed_and_put_right(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """The API server sees no conflict, and goes on to count the field as ours; own Secrets and merged ones alike."""
    own, theirs = cluster.namespaces("own", "theirs")
    theirs_before = {"auths": {"ghcr.io": {"auth": "bWU6eA=="}}}
    applied_as_text(cluster, theirs, json.dumps(theirs_before), "merged")
    cluster.apply(placed("own", principal, [own]), placed("merged", principal, [theirs], secretName="merged", **MERGE))
    ansible.reconcile()
    logins = cluster.config(own)["auths"]
    applied_as_text(cluster, own, '{"auths":{}}')
    applied_as_text(cluster, theirs, json.dumps(theirs_before), "merged")
    run = ansible.reconcile()
    assert (states(run, "own"), states(run, "merged")) == ({own: "updated"}, {theirs: "updated"})
    for namespace, name in ((own, "ecr-login"), (theirs, "merged")):
        secret = cluster.secret(namespace, name)
        assert secret is not None
        held = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]
        (host,) = logins
        assert aws.verify(host, held[host]["username"], held[host]["password"])
    seen = versions(cluster, [own, theirs])
    assert "changed=0" in ansible.reconcile().stdout, "whoever wrote it has no trace left there"
    assert versions(cluster, [own, theirs]) == seen


@pytest.mark.slow
@pytest.mark.versions
def test_the_successor_takes_over_what_was_left_and_nothing_else(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    """A Secret, entries in a Secret and a service account of others; and in a namespace that is wanted no more."""
    kept, dropped, edited, merged = cluster.namespaces("kept", "dropped", "edited", "merged")
    theirs = {"auths": {"ghcr.io": {"auth": "bWU6eA=="}}}
    foreign(cluster, merged, theirs, "shared")
    make_account(cluster, kept, "builder")
    first = {"serviceAccounts": ["builder"]}
    cluster.apply(
        placed("app", principal, [kept, dropped, edited], **first),
        placed("mix", principal, [merged], secretName="shared", **MERGE),
        placed("other", principal, [dropped], secretName="other"),
    )
    ansible.reconcile()
    uids = {namespace: uid_of(cluster.secret(namespace)) for namespace in (kept, edited)}
    for name in ("app", "mix"):
        orphaned(cluster, name)
    changed = {"data": {".dockerconfigjson": base64.b64encode(b'{"auths":{"x":{"auth":"bWU6eA=="}}}').decode()}}
    cluster.core.patch_namespaced_secret("ecr-login", edited, changed)
    before = {namespace: cluster.secret(namespace) for namespace in (edited,)}
    cluster.apply(
        placed("app", principal, [kept, edited], **first),
        placed("mix", principal, [merged], secretName="shared", **MERGE),
    )
    run = ansible.reconcile()
    assert states(run, "app") == {kept: "updated", edited: "failed"}
    assert "an earlier ClusterAWSECRImagePullSecret/app" in told(run, "app", edited)["msg"]
    assert cluster.secret(edited) == before[edited]
    assert steps(run, "app", "removed") == {(dropped, "ecr-login", "deleted")}
    taken = cluster.secret(kept)
    assert taken is not None
    assert uid_of(taken) == uids[kept]
    (reference,) = taken["metadata"]["ownerReferences"]
    assert taken["metadata"]["labels"][OWNER] == reference["uid"] == cluster.resource(KIND, "app")["metadata"]["uid"]
    assert cluster.secret(dropped, "other") is not None
    assert "changed=0" in ansible.reconcile().stdout

    for name in ("app", "mix"):
        cluster.kubectl("delete", KIND, name, "--wait=false")
    ansible.reconcile()
    assert is_gone(cluster, "app")
    assert is_gone(cluster, "mix")
    left = cluster.secret(merged, "shared")
    assert left is not None
    assert json.loads(base64.b64decode(left["data"][".dockerconfigjson"])) == theirs
    assert MARKS not in left["metadata"].get("annotations", {})
    assert entries(cluster, kept) == []


@pytest.mark.slow
def test_marks_that_a_policy_takes_or_overwrites_do_not_make_a_secret_forgotten(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Written once, and not again and again; and removed where it is not wanted any more."""
    names = cluster.namespaces("word", "label", "labels", "annotations", "stays")
    expressions = {
        names[
            0
        ]: '[JSONPatch{op: "replace", path: "/metadata/labels/app.kubernetes.io~1managed-by", value: "platform"}]',
        names[1]: f'[JSONPatch{{op: "remove", path: "/metadata/labels/{GROUP}~1owner"}}]',
        names[2]: '[JSONPatch{op: "remove", path: "/metadata/labels"}]',
        names[3]: '[JSONPatch{op: "remove", path: "/metadata/annotations"}]',
    }
    has = {names[2]: "has(object.metadata.labels)", names[3]: "has(object.metadata.annotations)"}
    made = []
    for namespace, expression in expressions.items():
        made += _policy(namespace, expression, has.get(namespace, f'"{GROUP}/owner" in object.metadata.labels'))
    cluster.apply(*made)
    try:
        cluster.wait(lambda: all(_is_mutated(cluster, each) for each in names[:4]), "the policies to work")
        cluster.apply(placed("app", principal, names))
        assert set(states(ansible.reconcile(), "app").values()) == {"created"}
        labels = {namespace: (cluster.secret(namespace) or {})["metadata"].get("labels", {}) for namespace in names}
        assert labels[names[0]]["app.kubernetes.io/managed-by"] == "platform"
        assert OWNER not in labels[names[1]]
        assert labels[names[2]] == {}
        again = ansible.reconcile()
        # Without annotations nobody knows how long a token lives, so a copy is written in each pass.
        assert {name for name, state in states(again, "app").items() if state != "unchanged"} == {names[3]}
        assert aws.count("GetAuthorizationToken") == 1
        cluster.apply(placed("app", principal, names[4:]))
        run = ansible.reconcile()
        assert steps(run, "app", "removed") == {(each, "ecr-login", "deleted") for each in names[:4]}
        assert [each for each in names if cluster.secret(each)] == names[4:]
    finally:
        for each in made:
            cluster.kubectl("delete", each["kind"], each["metadata"]["name"])


@pytest.mark.slow
@pytest.mark.versions
def test_the_remedy_that_a_conflict_names_is_one_that_works(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    cases = ("nobodys", "broken", "opaque", "immutable", "held")
    names = dict(zip(cases, cluster.namespaces(*cases), strict=True))
    cluster.apply(placed("other", principal, [names["held"]]))
    ansible.reconcile()
    foreign(cluster, names["nobodys"], {"auths": {"ghcr.io": {"auth": "bWU6eA=="}}})
    foreign(cluster, names["broken"], {"auths": {"ghcr.io": {"auth": "x y"}}})
    foreign(cluster, names["immutable"], "{}", immutable=True)
    cluster.kubectl("create", "secret", "generic", "ecr-login", "-n", names["opaque"])
    cluster.apply(*(placed(case, principal, namespace=namespace) for case, namespace in names.items()))
    refused = ansible.reconcile()
    remedies = {
        case: told(refused, case, namespace)["msg"].partition("as it is. ")[2] for case, namespace in names.items()
    }
    by_name, set_to = "choose another name for the pull secret", "set existingSecretPolicy (existing_secret_policy) to"
    assert remedies == {
        "nobodys": f"Delete it, or {by_name}, or {set_to} Adopt or Merge",
        "broken": f"Delete it, or {by_name}, or {set_to} Adopt",
        "opaque": f"Delete it, or {by_name}",
        "immutable": f"Delete it, or {by_name}",
        "held": f"Change {KIND}/other, which would make it again if it were deleted, or {by_name}",
    }
    cluster.apply(
        placed("nobodys", principal, namespace=names["nobodys"], **MERGE),
        placed("broken", principal, namespace=names["broken"], existingSecretPolicy="Adopt"),
    )
    for case in ("opaque", "immutable"):
        cluster.kubectl("delete", "secret", "ecr-login", "-n", names[case])
    cluster.delete(KIND, "other")
    cluster.wait(lambda: cluster.secret(names["held"]) is None, "the garbage collector")
    run = ansible.reconcile()
    assert {case: states(run, case)[namespace] for case, namespace in names.items()} == {
        "nobodys": "updated",
        "broken": "updated",
        "opaque": "created",
        "immutable": "created",
        "held": "created",
    }


def _policy(namespace: str, expression: str, condition: str) -> list[dict]:
    api = "admissionregistration.k8s.io/v1"
    name = {"name": f"marks-{namespace}"}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"], "operations": ["CREATE", "UPDATE"]}
    within = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    policy = {
        "apiVersion": api,
        "kind": "MutatingAdmissionPolicy",
        "metadata": name,
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": [{"name": "has", "expression": condition}],
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
        },
    }
    binding = {
        "apiVersion": api,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": name,
        "spec": {"policyName": name["name"], "matchResources": {"namespaceSelector": within}},
    }
    return [policy, binding]


def _is_mutated(cluster: Cluster, namespace: str) -> bool:
    """Return whether the policy of a namespace changes what is written there."""
    marks = {"labels": {OWNER: "x", "app.kubernetes.io/managed-by": "x"}, "annotations": {"x": "x"}}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "probe", "namespace": namespace, **marks}}
    made = json.loads(cluster.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(body)))
    return {name: made["metadata"].get(name, {}) for name in marks} != marks
