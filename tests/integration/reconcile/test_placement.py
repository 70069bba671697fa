"""Which namespaces get the Secret, with which labels, and what becomes of one that was edited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import GROUP, Cluster
from tests.support.cluster.placement import OWNER, WRITE, entries, placed, states, steps, told, uid_of, versions
from tests.support.harness.ansible import Ansible


def label(cluster: Cluster, namespace: str, text: str) -> None:
    """Set (team=a) or remove (team-) a label of a namespace."""
    cluster.kubectl("label", "namespace", namespace, text, "--overwrite")


def test_globs_selectors_and_exclusions_follow_the_namespaces_without_a_call_to_aws(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """A namespace is relabelled, one is deleted and made again, one appears; another resource has no target at all."""
    one, two, red, blue, plain, late, gone = cluster.names("app-one", "app-two", "red", "blue", "plain", "late", "gone")
    for each in (one, two, red, blue, plain):
        cluster.make_namespace(each)
    label(cluster, red, "team=red")
    label(cluster, two, "team=red")
    number = one.rpartition("-")[2]
    selector = {"matchExpressions": [{"key": "team", "operator": "In", "values": ["red"]}]}
    cluster.apply(
        placed(
            "wide",
            principal,
            [f"app-???-{number}", f"*late-{number}", gone],
            namespaceSelector=selector,
            excludeNamespaces=[f"*-two-{number}"],
        ),
        placed("nothing", principal, namespaceSelector={"matchLabels": {"team": "nobody"}}, secretName="none"),
    )
    first = ansible.reconcile()
    assert states(first, "wide") == {gone: "pending", one: "created", red: "created"}
    assert (states(first, "nothing"), first.items(WRITE)["nothing"].get("failed", False)) == ({}, False)
    assert [cluster.secret(each) for each in (two, blue, plain)] == [None, None, None]
    was = uid_of(cluster.secret(red))

    label(cluster, red, "team-")
    label(cluster, blue, "team=red")
    cluster.make_namespace(late)
    cluster.kubectl("delete", "namespace", one, "--wait")
    cluster.make_namespace(one)
    aws.forget_calls()
    second = ansible.reconcile()
    assert states(second, "wide") == {gone: "pending", late: "created", blue: "created", one: "created"}
    assert steps(second, "wide", "removed") == {(red, "ecr-login", "deleted")}
    assert cluster.secret(red) is None
    assert aws.calls == [], "the Secret that is to go held a token"

    label(cluster, red, "team=red")
    assert states(ansible.reconcile(), "wide")[red] == "created"
    assert uid_of(cluster.secret(red)) != was
    assert aws.calls == []


def test_an_empty_selector_is_every_namespace_less_the_excluded(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    (one,) = cluster.namespaces("one")
    everything = placed("all", principal, namespaceSelector={}, excludeNamespaces=["kube-*"], secretName="all-of-them")
    cluster.apply(everything)
    served = states(ansible.reconcile(), "all")
    assert served["default"] == served[one] == "created"
    assert not [name for name in served if name.startswith("kube-")]
    cluster.apply(placed("all", principal, [one], secretName="all-of-them"))
    assert ("default", "all-of-them", "deleted") in steps(ansible.reconcile(), "all", "removed")


@pytest.fixture
def narrow(cluster: Cluster) -> Iterator[Path]:
    """The kubeconfig of somebody who may read custom resources, and all about Secrets and service accounts."""
    rules = {
        "resources": (f"--resource=clusterawsecrimagepullsecrets.{GROUP},awsecrimagepullsecrets.{GROUP}"),
        "objects": "--resource=secrets,serviceaccounts",
    }
    for name, rule in rules.items():
        cluster.kubectl("create", "clusterrole", f"narrow-{name}", "--verb=get,list,create,patch,delete", rule)
        binding = f"narrow-{name}"
        cluster.kubectl("create", "clusterrolebinding", binding, f"--clusterrole={binding}", "--user=narrow")
    yield cluster.plane.kubeconfig_for("narrow")
    for name in rules:
        cluster.kubectl("delete", "clusterrole,clusterrolebinding", f"narrow-{name}")


@pytest.mark.slow
def test_a_selector_without_the_right_to_list_namespaces_is_told_and_removes_nothing(
    ansible: Ansible, cluster: Cluster, principal: Principal, narrow: Path
) -> None:
    """A list of names needs no such right."""
    red, literal = cluster.namespaces("red", "literal")
    label(cluster, red, "team=red")
    for namespace in (red, literal):
        cluster.kubectl("create", "serviceaccount", "builder", "-n", namespace)
    selector = {"matchLabels": {"team": "red"}}
    cluster.apply(
        placed("selected", principal, namespaceSelector=selector, serviceAccounts=["builder"]),
        placed("merged", principal, [f"{red[:-1]}?"], existingSecretPolicy="Merge", secretName="merged"),
    )
    ansible.reconcile()
    before = versions(cluster, [red, literal])
    assert cluster.secret(red) is not None
    assert cluster.secret(red, "merged") is not None

    cluster.apply(placed("literal", principal, [literal], serviceAccounts=["builder"]))
    run = ansible.reconcile(options={"kubeconfig": str(narrow)})
    assert states(run, "literal") == {literal: "created"}
    for name in ("selected", "merged"):
        error = run.items(WRITE)[name]["error"]
        assert error["reason"] == "Forbidden"
        assert "list namespaces in the cluster" in error["msg"]
        assert run.items(WRITE)[name]["namespaces"] == run.items(WRITE)[name]["removed"] == []
    after = versions(cluster, [red, literal])
    assert {name: after[name] for name in before if literal not in name} == {
        name: version for name, version in before.items() if literal not in name
    }


@pytest.mark.slow
def test_a_resource_that_cannot_be_understood_any_more_loses_nothing(
    ansible: Ansible, cluster: Cluster, principal: Principal, loose_crds: None
) -> None:
    """What stands stays, finalizer included, until somebody mends the resource."""
    (own,) = cluster.namespaces("own")
    cluster.kubectl("create", "serviceaccount", "builder", "-n", own)
    broken = {"secretName": "Not Valid", "serviceAccounts": ["Not Valid"], "namespaces": ["Not Valid"]}
    resources = [
        placed(each.lower(), principal, [own], secretName=each.lower(), serviceAccounts=["builder"]) for each in broken
    ]
    cluster.apply(*resources)
    ansible.reconcile()
    assert sorted(map(str, entries(cluster, own))) == sorted(each.lower() for each in broken)
    for resource, (field, value) in zip(resources, broken.items(), strict=True):
        cluster.apply({**resource, "spec": {**resource["spec"], field: value}})
    before = versions(cluster, [own])
    run = ansible.reconcile()
    assert {each["error"]["reason"] for each in run.items(WRITE).values()} == {"InvalidResource"}
    assert len(run.items(WRITE)) == len(broken)
    assert versions(cluster, [own]) == before


@pytest.mark.slow
def test_the_template_is_followed_and_what_others_put_on_the_secret_stays(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    (own,) = cluster.namespaces("own")
    template = {"labels": {"team": "a", "tier": "x"}, "annotations": {"example.com/note": "one", "old": "yes"}}
    resource = placed("app", principal, namespace=own, secretTemplate=template)
    resource["metadata"] |= {
        "labels": {"argocd.argoproj.io/instance": "mine"},
        "annotations": {"kustomize.toolkit.fluxcd.io/checksum": "abc"},
    }
    cluster.apply(resource)
    ansible.reconcile()
    made = cluster.secret(own)
    assert made is not None
    labels, annotations = made["metadata"]["labels"], made["metadata"]["annotations"]
    assert labels.keys() == {"team", "tier", "app.kubernetes.io/managed-by", OWNER, f"{GROUP}/resource-digest"}
    assert {each for each in annotations if not each.startswith(GROUP)} == {"example.com/note", "old", "expiry"}

    cluster.kubectl("label", "secret", "ecr-login", "-n", own, "foreign=label")
    cluster.kubectl("annotate", "secret", "ecr-login", "-n", own, "example.com/foreign=annotation")
    resource["spec"]["secretTemplate"] = {"labels": {"team": "b"}, "annotations": {"example.com/note": "two"}}
    cluster.apply(resource)
    aws.forget_calls()
    assert states(ansible.reconcile(), "app") == {own: "updated"}
    changed = cluster.secret(own)
    assert changed is not None
    assert changed["metadata"]["labels"].keys() == labels.keys() - {"tier"} | {"foreign"}
    assert changed["metadata"]["labels"]["team"] == "b"
    assert "old" not in changed["metadata"]["annotations"]
    assert changed["metadata"]["annotations"]["example.com/foreign"] == "annotation"
    assert changed["metadata"]["annotations"]["example.com/note"] == "two"
    assert (changed["data"], uid_of(changed), aws.calls) == (made["data"], uid_of(made), [])
    assert "changed=0" in ansible.reconcile().stdout


DRIFT = {
    "template": ("label", "team=edited", "--overwrite"),
    "owner": ("label", f"{OWNER}-"),
    "mark": ("annotate", f"{GROUP}/identity=edited", "--overwrite"),
    "expiry": ("annotate", "expiry=2035-01-01T00:00:00Z", "--overwrite"),
    "reference": ("patch", "--type=merge", "-p", '{"metadata": {"ownerReferences": null}}'),
    "data": ("patch", "--type=merge", "-p", '{"data": {".dockerconfigjson": "e30="}}'),
    "deleted": ("delete",),
}


@pytest.mark.slow
def test_drift_is_put_right_in_place_from_a_token_that_is_held(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """One namespace for each kind of edit, beside one that keeps a good token."""
    good, *edited = cluster.namespaces("good", *DRIFT)
    cluster.apply(placed("app", principal, [good, *edited], secretTemplate={"labels": {"team": "a"}}))
    ansible.reconcile()
    before = {each: cluster.secret(each) for each in edited}
    for namespace, (verb, *what) in zip(edited, DRIFT.values(), strict=True):
        cluster.kubectl(verb, "secret", "ecr-login", "-n", namespace, *what)
    aws.forget_calls()
    run = ansible.reconcile()
    assert aws.calls == []
    assert states(run, "app") == {good: "unchanged", **dict.fromkeys(edited, "updated"), edited[-1]: "created"}
    for namespace in edited:
        was, now = before[namespace], cluster.secret(namespace)
        assert was is not None
        assert now is not None
        for field in ("labels", "annotations", "ownerReferences"):
            assert now["metadata"][field] == was["metadata"][field], namespace
        assert now["data"] == was["data"]
        assert (uid_of(now) == uid_of(was)) == (namespace != edited[-1])
    assert "changed=0" in ansible.reconcile().stdout


@pytest.mark.slow
def test_an_edited_secret_that_is_the_only_one_is_put_right(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """An edited label needs no call to AWS, for the token still stands; edited data needs one."""
    shape, data = cluster.namespaces("shape", "data")
    template = {"labels": {"team": "a"}}
    cluster.apply(
        placed("shape", aws.principal(), namespace=shape, secretTemplate=template),
        placed("data", principal, namespace=data, secretTemplate=template),
    )
    ansible.reconcile()
    was = cluster.secret(shape), cluster.secret(data)
    cluster.kubectl("label", "secret", "ecr-login", "-n", shape, "team-")
    cluster.kubectl("patch", "secret", "ecr-login", "-n", data, *DRIFT["data"][1:])
    aws.forget_calls()
    run = ansible.reconcile()
    assert (states(run, "shape"), states(run, "data")) == ({shape: "updated"}, {data: "updated"})
    assert [each.access_key for each in aws.calls] == [principal.access_key]
    assert (cluster.secret(shape) or {})["metadata"]["labels"]["team"] == "a"
    now = cluster.secret(shape), cluster.secret(data)
    assert [uid_of(each) for each in now] == [uid_of(each) for each in was]
    login = cluster.config(data)["auths"][principal.registry()]
    assert aws.verify(principal.registry(), login["username"], login["password"])


@pytest.mark.slow
def test_no_token_for_one_resource_is_no_trouble_of_another_that_needs_none(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Both have the same keys; one namespace of the first is new, and is served with what it holds."""
    old, new = (*cluster.namespaces("old"), *cluster.names("new"))
    cluster.apply(placed("first", principal, [old, new]))
    ansible.reconcile()
    cluster.make_namespace(new)
    cluster.apply(placed("second", principal, [old], secretName="second"))
    aws.stop()
    run = ansible.reconcile()
    assert states(run, "first") == {old: "unchanged", new: "created"}
    assert run.items(WRITE)["first"]["error"] is None
    assert not run.items(WRITE)["first"].get("failed")
    assert run.items(WRITE)["second"]["error"]["reason"] == "Unreachable"


def test_a_foreign_secret_that_goes_is_replaced_without_a_nudge(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    blocked, served = cluster.namespaces("blocked", "served")
    cluster.kubectl("create", "secret", "generic", "ecr-login", "-n", blocked)
    cluster.apply(placed("app", principal, [blocked, served]))
    run = ansible.reconcile()
    assert told(run, "app", blocked)["reason"] == "SecretConflict"
    cluster.kubectl("delete", "secret", "ecr-login", "-n", blocked)
    aws.forget_calls()
    assert states(ansible.reconcile(), "app") == {blocked: "created", served: "unchanged"}
    assert aws.calls == []


@pytest.mark.slow
def test_registries_that_are_no_longer_wanted_go_from_the_secret_once(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    other = principal.registry().replace("eu-west-1", "eu-central-1")
    hosts, policies = [principal.registry(), other], ("Fail", "Merge")
    names = dict(zip(policies, cluster.namespaces("own", "merged"), strict=True))

    def apply(registries: list[str]) -> None:
        cluster.apply(
            *(
                placed(each.lower(), principal, [names[each]], registries=registries, existingSecretPolicy=each)
                for each in policies
            )
        )

    apply(hosts)
    ansible.reconcile()
    assert [set(cluster.config(each)["auths"]) for each in names.values()] == [set(hosts)] * 2
    apply(hosts[:1])
    aws.forget_calls()
    ansible.reconcile()
    assert aws.calls == []
    assert [set(cluster.config(each)["auths"]) for each in names.values()] == [{hosts[0]}] * 2
    before = versions(cluster, names.values())
    assert "changed=0" in ansible.reconcile().stdout
    assert versions(cluster, names.values()) == before
