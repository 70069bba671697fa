"""As whom the user of a kubeconfig acts: the API server is told by the runner and the modules what kubectl tells it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster import client
from kube_ecr_runner.cluster.client import Cluster as RunnersCluster
from tests.support.cluster.control_plane import run_kubectl
from tests.support.cluster.objects import Cluster
from tests.support.harness.ansible import Ansible

pytestmark = pytest.mark.usefixtures("own_files")
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
JSON = "application/json"
JANE = {
    "as": "jané",
    "as-uid": "4711",
    "as-groups": ["viewers", "team:a"],
    "as-user-extra": {"example.com/50%": ["one", "two"], "scopes": ["view"]},
}


def by_modules(path: Path, **options: object) -> dict:
    api = client.connect({"kubeconfig": str(path), **options})
    headers, url = api._request_headers(JSON, JSON), f"{api._connection.host}{WHO}"
    answer = api._connection.pool.request("POST", url, headers=headers, body=json.dumps(REVIEW))
    return json.loads(answer.data)


def by_runner(path: Path) -> dict:
    api = RunnersCluster.connect(str(path), None, silence=90)
    return json.loads(api._send("create", "POST", WHO, {}, body=REVIEW, content=JSON).data)


def acting_as(cluster: Cluster, folder: Path, user: dict) -> Path:
    """Return the kubeconfig of an administrator that says as whom he acts."""
    config = json.loads(cluster.plane.kubeconfig.read_text())
    config["users"][0]["user"] |= user
    path = folder / "acting.kubeconfig"
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize("ask", [by_modules, by_runner])
def test_the_api_server_sees_whom_it_sees_with_kubectl(
    cluster: Cluster, tmp_path: Path, ask: Callable[[Path], dict]
) -> None:
    path = acting_as(cluster, tmp_path, JANE)
    seen = ask(path)["status"]["userInfo"]
    assert seen == json.loads(run_kubectl(path, "auth", "whoami", "-o", "json"))["status"]["userInfo"]
    assert seen["username"] == JANE["as"]


def test_options_go_before_the_kubeconfig(cluster: Cluster, tmp_path: Path) -> None:
    seen = by_modules(acting_as(cluster, tmp_path, JANE), impersonate_user="joe")["status"]["userInfo"]
    assert (seen["username"], set(seen["groups"])) == ("joe", {"system:authenticated"})


def test_one_task_does_not_act_as_the_user_of_another(ansible: Ansible, cluster: Cluster, tmp_path: Path) -> None:
    """Tasks may share a process, and the official client keeps settings of its own there."""
    (own,) = cluster.namespaces("own")
    paths: tuple[Any, ...] = (acting_as(cluster, tmp_path, {"as": "jane"}), cluster.kubeconfig)
    run = ansible.play(
        *(
            {
                "name": f"Ask {number}",
                "kube_ecr.secrets.ecr_pull_secret_info": {"kubeconfig": str(path), "namespaces": [own]},
                "ignore_errors": True,
            }
            for number, path in enumerate(paths)
        )
    )
    assert 'User "jane" cannot' in run.result("Ask 0")["msg"]
    assert not run.result("Ask 1").get("failed"), run.output
