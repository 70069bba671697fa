"""A run that gets no work done says so in its exit status and why, unless nothing was asked for."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aws.endpoint import Principal
from tests.support.cluster.objects import Cluster, pull_secret
from tests.support.harness.ansible import Ansible, Run

OURS = {"plugin": "kube_ecr.secrets.pull_secrets"}
# Of no use to hosts that stand for AWS identities; the methods and the shell do not even exist.
FOR_SERVERS = {
    "ansible_connection": "ssh",
    "ansible_host": "10.255.255.1",
    "ansible_port": "{{ undefined }}",
    "ansible_user": "{{ undefined }}",
    "ansible_python_interpreter": "/nonexistent",
    "ansible_shell_type": "nonexistent",
    "ansible_remote_tmp": "/proc/x",
    "ansible_become": True,
    "ansible_become_method": "nonexistent",
}


@pytest.fixture
def down() -> Iterator[Ansible]:
    """Ansible with a cluster that nobody serves."""
    with tempfile.TemporaryDirectory() as home:
        kubeconfig = Path(home) / "kubeconfig"
        cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "c"}}
        users = [{"name": "c", "user": {}}]
        config = {"clusters": [cluster], "contexts": [context], "users": users, "current-context": "c"}
        kubeconfig.write_text(json.dumps(config))
        yield Ansible(Path(home), {"K8S_AUTH_KUBECONFIG": str(kubeconfig)})


def _file(ansible: Ansible, name: str, **options: object) -> list[str]:
    path = ansible.home / name
    path.write_text(json.dumps({**OURS, **options}))
    return ["-i", str(path)]


def _failed(run: Run) -> dict[str, str]:
    return {each["host"]: each["result"]["msg"] for each in run.results if each["status"] == "failed"}


@pytest.mark.slow
@pytest.mark.parametrize("playbook", ["reconcile", "cleanup"])
def test_an_inventory_that_cannot_be_read_fails_the_playbook_with_the_cause(down: Ansible, playbook: str) -> None:
    name = f"kube_ecr.secrets.{playbook}"
    run = down.run("ansible-playbook", *_file(down, "ecr.yml"), name)
    assert run.status == 2
    assert "no connection to http://127.0.0.1:9" in run.stdout
    assert "cannot read the custom resources" in run.stdout

    unasked = down.run("ansible-playbook", *_file(down, "ecr.conf"), name)
    assert unasked.status == 2
    assert "ecr.conf: its name does not end in .yml or .yaml" in unasked.stdout

    assert down.run("ansible-playbook", "--syntax-check", name).status == 0


def test_a_limit_that_leaves_nothing_of_the_inventory_fails_the_playbook(down: Ansible) -> None:
    servers = down.home / "servers.ini"
    servers.write_text("web\n")
    sources = [*_file(down, "ecr.yml"), "-i", str(servers)]
    run = down.run("ansible-playbook", *sources, "kube_ecr.secrets.reconcile", "--limit", "web")
    assert run.status != 0
    assert "--limit web picks no host of an inventory of kube_ecr.secrets.pull_secrets" in run.stderr


def test_several_inventory_files_are_each_served_whole_and_one_that_is_not_read_is_told(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    """Beside variables for servers, and an empty filter in the environment."""
    (ansible.home / "group_vars").mkdir()
    (ansible.home / "group_vars" / "all.yml").write_text(json.dumps(FOR_SERVERS))
    team_a, team_b = cluster.namespaces("team-a", "team-b")
    for namespace in (team_a, team_b):
        cluster.create(pull_secret("good", principal, namespace=namespace))
        refused = pull_secret("bad", principal, namespace=namespace)
        refused["spec"]["awsAccess"] = {"region": "eu-west-1"}
        cluster.create(refused)
    files = [
        *_file(ansible, "a.yml", namespaces=[team_a, "typo"]),
        *_file(ansible, "b.yml", names=[f"{team_b}/good", f"{team_b}/bad", "nobody"]),
        *_file(ansible, "c.conf"),
    ]
    run = ansible.run("ansible-playbook", *files, "kube_ecr.secrets.reconcile", KUBE_ECR_NAMES="", KUBE_ECR_SELECTOR="")
    assert run.status == 2
    assert cluster.secret(team_a)
    assert cluster.secret(team_b)
    failed = _failed(run)
    for namespace in (team_a, team_b):
        assert any(f"AWSECRImagePullSecret/{namespace}/bad: " in told for told in failed.values()), failed
    errors = [failed[name] for name in ("inventory-error", "inventory-error-2")]
    assert "namespace typo holds no custom resource" in errors[0]
    assert "no custom resource is called nobody" in errors[1]
    assert "c.conf: its name does not end in .yml or .yaml" in errors[0]
