"""The role `runner` with a runner: what it installs serves, and what was served outlives its removal."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import GROUP, NAMESPACED, Cluster, condition, keys_secret, pull_secret
from tests.support.harness.ansible import Ansible
from tests.support.harness.helm import Release
from tests.support.harness.tools import HELM, go_tool


@pytest.mark.slow
@pytest.mark.versions
def test_a_runner_is_installed_upgraded_removed_and_installed_again(
    cluster: Cluster, aws: AWSEndpoint, ansible: Ansible, principal: Principal, tmp_path: Path
) -> None:
    """The process has the arguments, the variables and the service account that a pod would have."""
    namespace, team = cluster.namespaces("kube-ecr", "team")
    release = Release(cluster.plane, namespace)
    path = f"{go_tool(HELM).parent}:{ansible.environment()['PATH']}"
    values = {"crds": {"enabled": False}, "runner": {"awsEndpointUrl": aws.url}}
    given = {"runner_namespace": namespace, "runner_wait": False, "runner_values": values}

    def play(by: Ansible = ansible, **more: object) -> None:
        done = by.run("ansible-playbook", "kube_ecr.secrets.install", "-e", json.dumps({**given, **more}), PATH=path)
        assert done.status == 0, done.output

    @contextmanager
    def pod(name: str) -> Iterator[None]:
        log = tmp_path / f"{name}.log"
        with tempfile.TemporaryDirectory() as temporary, release.runner(ansible, log, Path(temporary)) as runner:
            cluster.wait(runner.is_watching, "it watches")
            yield
            assert runner.stop() == 0
        assert "Forbidden" not in runner.log

    cluster.apply(keys_secret("aws-keys", team, principal))
    cluster.apply(pull_secret("app", None, namespace=team, credentialsSecretRef={"name": "aws-keys"}))
    play()
    with pod("first"):
        cluster.wait_ready(NAMESPACED, "app", team)
    secret = cluster.secret(team)
    assert secret
    play(runner_image="registry.example.com/runner:9.9.9")
    assert release.container()["image"] == "registry.example.com/runner:9.9.9"
    play(runner_state="absent")
    ours = ("-n", namespace, "-l", "app.kubernetes.io/part-of=kube-ecr")
    assert cluster.kubectl("get", "deployment,serviceaccount,role", *ours) == ""
    play(by=ansible.oldest())
    with pod("second"):
        assert condition(cluster.resource(NAMESPACED, "app", team), "Ready")["status"] == "True"
        assert cluster.secret(team) == secret
        assert aws.count("GetAuthorizationToken") == 1
        cluster.kubectl("annotate", "aeps", "app", "-n", team, f"{GROUP}/reconcile-at=now")
        cluster.wait(lambda: aws.count("GetAuthorizationToken") == 2, "a new token is got")
        cluster.wait(lambda: cluster.secret(team) != secret, "it is in the Secret")
    renewed = cluster.secret(team)
    assert renewed
    assert renewed["metadata"]["uid"] == secret["metadata"]["uid"]
    play(runner_state="absent")
