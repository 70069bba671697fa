"""The one task of the playbook reconcile: what it tells and when, where it runs, and what it does not take."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import Cluster, keys_secret, pull_secret
from tests.support.harness.ansible import Ansible, Run

WRITE = "Write the pull secrets"


def lines(run: Run) -> list[tuple[str, str, str]]:
    """Return what was printed of resources, in order: a word, host and name."""
    form = r"^(\w+): \[([\w-]+)\] => \(item=AWSECRImagePullSecret/\S+/(\w+)\): \w"
    return re.findall(form, run.stdout, re.MULTILINE)


def task(**options: object) -> dict[str, Any]:
    return {"name": WRITE, "kube_ecr.secrets.ecr_reconcile": options}


def test_an_identity_that_hangs_holds_up_no_other_and_what_is_done_is_told_meanwhile(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Both are served by one process: it tells in retries of the task, and all at the end."""
    left, right = cluster.namespaces("left", "right")
    stuck = aws.principal(account="444455556666")
    cluster.apply(pull_secret("stuck", stuck, namespace=left), pull_secret("good", principal, namespace=right))
    aws.hang(access_key=stuck.access_key)
    record = ansible.home / "results.jsonl"
    with ThreadPoolExecutor() as pool:
        running = pool.submit(ansible.reconcile)
        cluster.wait(lambda: record.exists() and '"retry"' in record.read_text(), "something is told")
        assert cluster.secret(right) is not None
        assert cluster.secret(left) is None
        aws.heal()
        run = running.result()
    assert run.status == 0, run.output
    retries = [each["result"] for each in run.results if each["status"] == "retry"]
    assert [each["resource"]["owner"]["name"] for retry in retries for each in retry["resources"]] == ["good"]
    assert run.items(WRITE).keys() == {"good", "stuck"}
    assert len(run.result(WRITE)["resources"]) == 2
    assert lines(run) == [("changed", "aws-identities-1", "good"), ("changed", "aws-identities-1", "stuck")]


def test_a_person_is_told_of_each_resource_once(ansible: Ansible, cluster: Cluster, principal: Principal) -> None:
    (own,) = cluster.namespaces("own")
    cluster.apply(
        pull_secret("good", principal, namespace=own),
        pull_secret("bad", None, namespace=own, credentialsSecretRef={"name": "gone"}),
    )
    assert sorted(lines(ansible.reconcile())) == [
        ("changed", "aws-identities-1", "good"),
        ("failed", "invalid", "bad"),
    ]
    assert sorted(lines(ansible.reconcile())) == [("failed", "invalid", "bad"), ("ok", "aws-identities-1", "good")]


def test_it_runs_on_the_control_node_whatever_the_host_is(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    """Keys go nowhere: not to another user, another interpreter or another machine."""
    (own,) = cluster.namespaces("own")
    cluster.apply(
        keys_secret("aws", own, principal),
        pull_secret("app", None, namespace=own, credentialsSecretRef={"name": "aws"}),
    )
    variables = {
        "ansible_python_interpreter": "/nonexistent",
        "ansible_become": True,
        "ansible_become_exe": "/nonexistent",
    }
    run = ansible.reconcile("-e", json.dumps(variables))
    assert run.status == 0, run.output
    assert cluster.secret(own) is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "resources: is missing, and the host has no variable pull_secrets"),
        ({"resources": [{"reference": "x"}]}, "resources: is not the variable pull_secrets of a host"),
        ({"resources": [], "logins": [{"region": "x"}]}, "logins: is not the variable aws_logins of a host"),
        ({"resources": [], "state": "gone"}, "value of state must be one of: present, absent"),
        (
            {"resources": [], "region": "x"},
            "Unsupported parameters for (kube_ecr.secrets.ecr_reconcile) module: region",
        ),
        ({"resources": [], "connection": {"kubeconfig": "/nonexistent"}}, "read the kubeconfig: NoCluster"),
    ],
)
def test_options_that_cannot_be_meant_are_named(ansible: Ansible, options: dict[str, Any], words: str) -> None:
    run = ansible.play(task(**options))
    result = run.result(WRITE)
    assert words in result["msg"]
    assert (run.status, result["resources"], result["unfinished"], result["calls"]) == (2, [], 0, [])
    assert "Traceback" not in run.output
