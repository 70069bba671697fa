"""The reconcile playbook over an inventory that AWX has read, stored and hands out again.

AWX cannot run here. What it does with an inventory is done with Ansible's own commands: it stores what
`ansible-inventory --list --export` prints (awx/main/tasks/jobs.py, RunInventoryUpdate), and gives a job a program that
prints it (BaseTask.build_inventory).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.objects import Cluster, pull_secret
from tests.support.harness.ansible import Ansible


@pytest.mark.slow
@pytest.mark.versions
@pytest.mark.parametrize("is_oldest", [False, True], ids=["newest", "oldest"])
def test_an_inventory_that_awx_hands_out_again_is_served_and_holds_no_template_and_no_key(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, tmp_path: Path, is_oldest: bool
) -> None:
    commands = ansible.oldest() if is_oldest else ansible
    pwned = tmp_path / "pwned"
    hostile = f"{{{{ lookup('ansible.builtin.pipe', 'touch {pwned}') }}}}"
    principal = aws.principal()
    good, bad = cluster.namespaces("good", "bad")
    harmless = pull_secret("harmless", principal, namespace=good)
    harmless["metadata"]["annotations"] = {"example.com/x": hostile}
    harmless["spec"]["secretTemplate"] = {"annotations": {"example.com/y": hostile}}
    cluster.apply(harmless, pull_secret("hostile", principal, namespace=bad))

    listed = commands.run("ansible-inventory", "-i", commands.inventory(), "--list", "--export")
    assert listed.status == 0, listed.output
    assert principal.secret_key not in listed.stdout
    stored = json.loads(listed.stdout)
    handed_out = commands.home / "hosts"
    handed_out.write_text(f"#!/usr/bin/env python3\nprint({json.dumps(stored)!r})\n")
    handed_out.chmod(0o700)

    run = commands.run("ansible-playbook", "-i", str(handed_out), "kube_ecr.secrets.reconcile", "-vvv")
    assert run.status == 0, run.output
    assert {cluster.secret(each)["metadata"]["name"] for each in (good, bad)} == {"ecr-login"}
    assert cluster.secret(good)["metadata"]["annotations"]["example.com/y"] == hostile
    assert not pwned.exists()
