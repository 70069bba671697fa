"""The pull secrets of OpenShift's nodes, with the manifests of docs/openshift.md and a Secret as OpenShift has it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
import yaml

from tests.conftest import ROOT
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import CLUSTER, GROUP, Cluster, keys_secret
from tests.support.cluster.placement import WRITE, apply_account, entries, foreign, make_account, placed, states
from tests.support.harness.ansible import Ansible

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
AUTH = base64.b64encode(b"openshift-release-dev+x:canary-openshift").decode()
# As an installer writes it: one line, without spaces.
OPENSHIFT = json.dumps(
    {
        "auths": {
            "cloud.openshift.com": {"auth": AUTH, "email": "me@example.com"},
            "quay.io": {"auth": AUTH, "email": "me@example.com"},
            "registry.connect.redhat.com": {"email": "me@example.com", "auth": AUTH},
            "registry.redhat.io": {"auth": AUTH, "email": "me@example.com"},
        }
    },
    separators=(",", ":"),
)


# The field manager by which OpenShift gives each service account a login for its own registry.
CONTROLLER = "openshift.io/image-registry-pull-secrets_service-account-controller"


def example(name: str) -> dict:
    return yaml.safe_load((ROOT / "docs" / "examples" / name).read_text())


def text(cluster: Cluster, namespace: str, name: str) -> str:
    secret = cluster.secret(namespace, name)
    assert secret is not None
    return base64.b64decode(secret["data"][".dockerconfigjson"]).decode()


@pytest.fixture
def openshift(cluster: Cluster, principal: Principal) -> Iterator[None]:
    """The namespaces that the manifests name, and the keys."""
    for name in ("openshift-config", "kube-ecr"):
        cluster.make_namespace(name)
    cluster.apply(keys_secret("aws-keys", "kube-ecr", principal))
    yield
    cluster.clear()
    cluster.kubectl("delete", "namespace", "openshift-config", "kube-ecr")


@pytest.mark.slow
def test_the_global_pull_secret_keeps_what_openshift_wrote_byte_for_byte(
    openshift: None, ansible: Ansible, cluster: Cluster, aws: AWSEndpoint
) -> None:
    """Ours is added, ours alone is renewed, and ours alone is taken away."""
    foreign(cluster, "openshift-config", OPENSHIFT, name="pull-secret")
    theirs = OPENSHIFT.removesuffix("}}")
    resource = example("openshift-global-pull-secret.yaml")
    cluster.apply(resource)
    assert states(ansible.reconcile(), "global-pull-secret") == {"openshift-config": "updated"}
    first = text(cluster, "openshift-config", "pull-secret")
    login = json.loads(first)["auths"][HOST]
    assert aws.verify(HOST, login["username"], login["password"])
    assert first.startswith(theirs)

    cluster.kubectl("annotate", "caeps", "global-pull-secret", f"{GROUP}/reconcile-at=now")
    run = ansible.reconcile()
    assert states(run, "global-pull-secret") == {"openshift-config": "updated"}
    renewed = text(cluster, "openshift-config", "pull-secret")
    assert renewed.startswith(theirs)
    assert json.loads(renewed)["auths"][HOST] != login
    assert "canary" not in run.output

    cluster.delete(CLUSTER, "global-pull-secret")
    ansible.reconcile()
    assert text(cluster, "openshift-config", "pull-secret") == OPENSHIFT


@pytest.mark.slow
def test_the_additional_pull_secret_of_a_hosted_cluster_comes_and_goes(
    openshift: None, ansible: Ansible, cluster: Cluster, aws: AWSEndpoint
) -> None:
    """It is not there before, and without it the nodes have their first pull secret again."""
    cluster.apply(example("openshift-hosted-cluster.yaml"))
    ansible.reconcile()
    login = cluster.config("kube-system", "additional-pull-secret")["auths"][HOST]
    assert aws.verify(HOST, login["username"], login["password"])
    cluster.delete(CLUSTER, "additional-pull-secret")
    ansible.reconcile()
    assert cluster.secret("kube-system", "additional-pull-secret") is None


@pytest.mark.slow
@pytest.mark.versions
def test_openshift_and_we_share_the_pull_secrets_of_a_service_account(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    """Its controller applies the whole list, with what it found in it, whoever came first; nobody is warned of it."""
    (team,) = cluster.namespaces("team")
    for name in ("before", "after"):
        make_account(cluster, team, name)
    apply_account(cluster, team, "before", CONTROLLER, "before-dockercfg-x", force=True)
    resource = placed("app", principal, [team], serviceAccounts=["before", "after"])
    cluster.apply(resource)
    run = ansible.reconcile()
    assert entries(cluster, team, "before") == ["before-dockercfg-x", "ecr-login"]
    assert "Contested" not in json.dumps(run.items(WRITE))
    # The list is ours now, so the controller names it no more; or it did not have its entry, and takes what is there.
    apply_account(cluster, team, "before", CONTROLLER, force=True)
    apply_account(cluster, team, "after", CONTROLLER, "ecr-login", "after-dockercfg-x", force=True)
    again = ansible.reconcile()
    assert "changed=0" in again.stdout
    assert "Contested" not in json.dumps(again.items(WRITE))
    assert entries(cluster, team, "before") == ["before-dockercfg-x", "ecr-login"]
    assert entries(cluster, team, "after") == ["ecr-login", "after-dockercfg-x"]

    cluster.delete(CLUSTER, "app")
    ansible.reconcile()
    assert entries(cluster, team, "before") == ["before-dockercfg-x"]
    assert entries(cluster, team, "after") == ["after-dockercfg-x"]
