"""Each way into AWS from inside of a pod."""

from __future__ import annotations

import pytest

from tests.node.conftest import Upgrade
from tests.node.runner_pods import RunnerPods
from tests.node.workloads import Workloads
from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.objects import (
    CLUSTER,
    GROUP,
    NAMESPACED,
    Cluster,
    keys_secret,
    pull_secret,
    service_account,
)
from tests.support.harness.helm import Release
from tests.support.node.cluster import NodeCluster

TOKEN_FOLDER = "/var/run/secrets/eks.amazonaws.com/serviceaccount"


@pytest.fixture
def trusted(cluster: Cluster, aws: AWSEndpoint) -> AWSEndpoint:
    """An endpoint that trusts the issuer of the cluster."""
    aws.trust_issuer(cluster.plane.issuer, cluster.plane.issuer_key)
    return aws


def test_keys_in_a_secret(cluster: Cluster, aws: AWSEndpoint, workloads: Workloads) -> None:
    (team,) = cluster.namespaces("team")
    cluster.apply(keys_secret("aws-keys", team, aws.principal()))
    cluster.apply(pull_secret("app", None, namespace=team, credentialsSecretRef={"name": "aws-keys"}))
    cluster.wait_ready(NAMESPACED, "app", team)
    workloads.pod(team, "app", workloads.image(), "ecr-login")
    workloads.wait_running(team, "app")


@pytest.mark.slow
def test_a_role_on_top_of_keys(cluster: Cluster, aws: AWSEndpoint, workloads: Workloads) -> None:
    (team,) = cluster.namespaces("team")
    principal = aws.principal()
    role = aws.role("ecr-pull", trusts=[principal], external_id="example")
    access = {"roleArn": role.arn(), "externalId": "example"}
    cluster.apply(pull_secret("app", principal, namespace=team, **access))
    cluster.wait_ready(NAMESPACED, "app", team)
    workloads.pod(team, "app", workloads.image(), "ecr-login")
    workloads.wait_running(team, "app")


def test_a_service_account(cluster: Cluster, trusted: AWSEndpoint, workloads: Workloads) -> None:
    (team,) = cluster.namespaces("team")
    role = trusted.role("ecr-pull", web_identities=[f"system:serviceaccount:{team}:ecr-pull"])
    cluster.apply(service_account("ecr-pull", team, role.arn()))
    cluster.apply(pull_secret("app", None, namespace=team, serviceAccountRef={"name": "ecr-pull"}))
    cluster.wait_ready(NAMESPACED, "app", team)
    workloads.pod(team, "app", workloads.image(), "ecr-login")
    workloads.wait_running(team, "app")


@pytest.mark.slow
def test_the_identity_of_the_runner_as_eks_gives_it(
    cluster: Cluster,
    trusted: AWSEndpoint,
    release: Release,
    node: NodeCluster,
    pods: RunnerPods,
    workloads: Workloads,
    upgrade: Upgrade,
) -> None:
    """A projected token, and the variables that EKS' webhook sets; also with the next token that kubelet writes.

    Kubelet asks for another one when four fifths of the life are over, or when it was started again.
    """
    subject = f"system:serviceaccount:{release.namespace}:{release.name}"
    role = trusted.role("runner", web_identities=[subject])
    token = {"audience": "sts.amazonaws.com", "expirationSeconds": 600, "path": "token"}
    upgrade(
        {
            "extraVolumes": [{"name": "aws-token", "projected": {"sources": [{"serviceAccountToken": token}]}}],
            "extraVolumeMounts": [{"name": "aws-token", "mountPath": TOKEN_FOLDER, "readOnly": True}],
            "extraEnv": [
                {"name": "AWS_ROLE_ARN", "value": role.arn()},
                {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": f"{TOKEN_FOLDER}/token"},
                {"name": "AWS_REGION", "value": "eu-west-1"},
            ],
        }
    )
    (team,) = cluster.namespaces("team")
    cluster.apply(pull_secret("app", None, namespaces=[team]))
    cluster.wait_ready(CLUSTER, "app")
    workloads.pod(team, "app", workloads.image(), "ecr-login")
    workloads.wait_running(team, "app")

    first = cluster.secret(team)
    (used,) = set(trusted.web_identity_tokens)
    node.node.restart_kubelet()
    file = pods.volume(pods.wait_leader(), "projected", "aws-token") / "token"
    cluster.wait(lambda: file.read_text() != used, "kubelet writes another token", timeout=150)
    trusted.expire_sessions()
    cluster.kubectl("annotate", "caeps", "app", f"{GROUP}/reconcile-at=now")
    cluster.wait(lambda: cluster.secret(team) != first, "the Secret has a new token")
    assert len(set(trusted.web_identity_tokens)) == 2
