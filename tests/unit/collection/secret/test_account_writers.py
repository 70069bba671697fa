"""Who else writes the imagePullSecrets of a service account, and what that means for our entry in it."""

from __future__ import annotations

import json

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import image_pull_secrets
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.account_writers import warning, writer_of
from tests.support.cluster.stored_secrets import patched

HERE = "team-a/default"
LABEL, SHARED = "aws.zakariaamine.com/owner", "aws.zakariaamine.com/shared"
LIST = {"f:imagePullSecrets": {}}
OPENSHIFT = "openshift.io/image-registry-pull-secrets_service-account-controller"
OTHER = {"f:metadata": {"f:labels": {"f:app": {}}}}


def by(manager: object, operation: str = "Apply", fields: object = LIST, **more: str) -> dict:
    return {"manager": manager, "operation": operation, "fieldsV1": fields, **more}


def account(
    *managed: object, names: tuple[str, ...] = (), entries: dict | None = None, release: object = "", label: str = ""
) -> dict:
    """Return a service account with these managedFields, entries of ours as we write them, and marks of helm."""
    annotations = {"meta.helm.sh/release-name": release} if release else {}
    labels = {"app.kubernetes.io/managed-by": label} if label else {}
    if entries:
        annotations[SHARED] = json.dumps({"place": HERE, **entries})
        labels[LABEL] = "shared"
    metadata = {"name": "default", "namespace": "team-a", "resourceVersion": "7", "managedFields": list(managed)}
    return {
        "metadata": {**metadata, "annotations": annotations, "labels": labels},
        "imagePullSecrets": [{"name": name} for name in names],
    }


def ours(taken_from: str = "") -> dict:
    return {"u1": {"names": ["ecr"], **({"takenFrom": taken_from} if taken_from else {})}}


@pytest.mark.parametrize(
    ("found", "writer"),
    [
        pytest.param(account(), "", id="nobody"),
        pytest.param({"metadata": {"managedFields": None, "labels": None}}, "", id="nothing is tracked"),
        pytest.param(account(by("flux")), "field manager flux", id="somebody applied it"),
        pytest.param(account(by("flux", fields=OTHER)), "", id="somebody applied other fields"),
        pytest.param(account(by("kubectl-edit", "Update")), "", id="somebody edited it"),
        pytest.param(account(by("flux", subresource="token")), "", id="a subresource"),
        pytest.param(account(by("kube-ecr-secrets", "Update")), "", id="we wrote it"),
        pytest.param(account(by("kube-ecr-secrets")), "", id="we applied it"),
        pytest.param(account(by("kube-ecr-secrets/uid-1")), "", id="a resource of ours applied it"),
        pytest.param(account(by("kube-ecr-secrets-2")), "field manager kube-ecr-secrets-2", id="not quite our name"),
        pytest.param(account(by(OPENSHIFT)), "", id="OpenShift, which keeps what others have in it"),
        pytest.param(account(by(OPENSHIFT), by("flux")), "field manager flux", id="OpenShift and somebody"),
        pytest.param(account(by(OPENSHIFT, fields=OTHER), entries=ours(OPENSHIFT)), "", id="OpenShift, noted by us"),
        pytest.param(account(by("helm")), "helm", id="helm 4"),
        pytest.param(account(by("helm", "Update")), "helm", id="helm 3"),
        pytest.param(account(by("helm", fields=OTHER)), "", id="helm, other fields, and no mark of a chart"),
        pytest.param(account(by("a", "Update"), by("b"), by("helm")), "field manager b", id="the first that counts"),
        pytest.param(account(by("helm"), release="web"), "helm release web", id="a release"),
        pytest.param(account(by("helm-controller"), release="web"), "helm release web", id="by another manager"),
        pytest.param(account(release="web"), "helm release web", id="annotation only"),
        pytest.param(account(label="Helm"), "helm", id="label only"),
        pytest.param(account(label="helm"), "", id="another label"),
        pytest.param(account(by("argocd"), label="Helm"), "field manager argocd", id="rendered by somebody else"),
        pytest.param(account(release=["web"]), "", id="release of another type"),
        pytest.param(account("x", None, by(None), by(5), by("flux", fields="x"), {}), "", id="malformed"),
        pytest.param(account(by("flux", fields=OTHER), entries=ours("flux")), "field manager flux", id="noted by us"),
        pytest.param(account(entries=ours("flux")), "", id="noted, but it has no part in the account any more"),
        pytest.param(account(by("helm", fields=OTHER), entries=ours()), "", id="nothing noted"),
        pytest.param(account(by("flux", fields=OTHER), entries={"u1": {"takenFrom": 5}}), "", id="noted malformed"),
        pytest.param(account(by("f\n{{ x }}\x1b" + "x" * 300)), "field manager f{{ x }}" + "x" * 120, id="long"),
        pytest.param(account(release="w\n" + "x" * 300), "helm release w" + "x" * 127, id="long release"),
    ],
)
def test_who_else_writes_the_list(found: dict, writer: str) -> None:
    assert writer_of(found["metadata"]) == writer


def taken_over(found: dict) -> dict:
    """Return a service account after our patch, as the API server leaves it: who changes the list owns it alone."""
    patch = image_pull_secrets.add_patch(found, "u1", "ecr")
    assert patch is not None
    after = patched(found, patch)
    if "imagePullSecrets" in patch:
        for fields in after["metadata"]["managedFields"]:
            del fields["fieldsV1"]["f:imagePullSecrets"]
    return after


@pytest.mark.parametrize(
    ("found", "before", "later"),
    [
        pytest.param(account(), "", "", id="nobody"),
        pytest.param(account(by("helm", fields=LIST | OTHER), release="web"), *["helm release web"] * 2, id="helm"),
        pytest.param(account(by("flux", fields=LIST | OTHER)), *["field manager flux"] * 2, id="another manager"),
        pytest.param(account(by("kubectl-edit", "Update", LIST | OTHER)), "", "", id="an edit"),
    ],
)
def test_the_warning_stays_after_our_own_patch(found: dict, before: str, later: str) -> None:
    after = taken_over(found)
    assert image_pull_secrets.contender(found, after, "u1") == before
    assert image_pull_secrets.contender(after, after, "u1") == later
    assert image_pull_secrets.add_patch(after, "u1", "ecr") is None


def test_what_another_resource_noted_holds_for_this_one() -> None:
    found = account(
        by("flux", fields=OTHER), names=("other",), entries={"u2": {"names": ["other"], "takenFrom": "flux"}}
    )
    after = taken_over({**found, "metadata": {**found["metadata"], "managedFields": [by("flux", fields=LIST | OTHER)]}})
    assert image_pull_secrets.contender(after, after, "u1") == "field manager flux"
    left = patched(after, image_pull_secrets.remove_patch(after, "u2"))
    assert image_pull_secrets.contender(left, left, "u1") == "field manager flux"


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(account(by("helm"), names=("ecr",), release="web"), id="the chart names it"),
        pytest.param(
            account(by("helm"), names=("a", "ecr"), entries={"u2": {"names": ["a"]}}, release="web"), id="more"
        ),
        pytest.param(account(by("helm"), names=("old", "x"), release="web"), id="without an entry of ours"),
    ],
)
def test_without_an_entry_of_ours_nobody_is_in_anybodys_way(found: dict) -> None:
    assert image_pull_secrets.contender(found, found, "u1") == ""


@pytest.mark.parametrize("manager", [by("helm"), by("helm", "Update"), by("flux")])
def test_an_entry_that_somebody_applies_by_now_is_his(manager: dict) -> None:
    """A chart names the pull secret in the end: then our entry is not taken out with the service account's name."""
    applied = account(manager, names=("a", "ecr"), entries=ours("helm"), release="web")
    for patch in (
        image_pull_secrets.add_patch(applied, "u1", "ecr"),
        image_pull_secrets.remove_patch(applied, "u1"),
        image_pull_secrets.add_patch({**applied, "imagePullSecrets": [{"name": "ecr"}, {"name": "new"}]}, "u1", "new"),
    ):
        assert patch is not None
        assert "imagePullSecrets" not in patch
        assert patch["metadata"]["annotations"] == {SHARED: None}
        assert image_pull_secrets.contender(applied, patched(applied, patch), "u1") == ""


def test_an_entry_that_an_edit_left_is_still_ours() -> None:
    edited = account(by("kubectl-edit", "Update"), names=("a", "ecr"), entries=ours())
    assert image_pull_secrets.add_patch(edited, "u1", "ecr") is None
    patch = image_pull_secrets.remove_patch(edited, "u1")
    assert patch is not None
    assert patch["imagePullSecrets"] == [{"name": "a"}]


IN_CHART = "name the pull secret in that chart's own values (often imagePullSecrets or serviceAccount.imagePullSecrets)"


@pytest.mark.parametrize(
    ("writer", "has_resource", "fails", "remedy"),
    [
        (
            "helm release web",
            True,
            "the next helm upgrade",
            f"{IN_CHART}, or use spec.podInjection, and then take the service account out of spec.serviceAccounts",
        ),
        (
            "helm",
            False,
            "the next helm upgrade",
            f"{IN_CHART}, and then take the service account out of service_accounts",
        ),
        (
            "field manager helmsman",
            False,
            "its next apply",
            "name the pull secret in what it applies, and then take the service account out of service_accounts",
        ),
    ],
)
def test_the_warning_says_what_to_do(writer: str, has_resource: bool, fails: str, remedy: str) -> None:
    assert warning(HERE, writer, has_resource=has_resource) == (
        f"service account team-a/default is also written by {writer}: where both list imagePullSecrets, {fails} fails "
        f"with a conflict, or takes the entry out; {remedy}"
    )
