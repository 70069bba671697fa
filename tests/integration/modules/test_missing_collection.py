"""Where kubernetes.core is not installed, a task says so, and how to install it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.harness.ansible import COLLECTIONS, Ansible

PYTHON = "{{ ansible_playbook_python }}"
WAYS = {"fast": {}, "shipped": {"environment": {"SHIPPED": "1"}, "vars": {"ansible_python_interpreter": PYTHON}}}


@pytest.mark.slow
@pytest.mark.versions
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_task_without_kubernetes_core_names_it(tmp_path: Path, way: dict[str, object]) -> None:
    alone = tmp_path / "ansible_collections" / "kube_ecr" / "secrets"
    alone.parent.mkdir(parents=True)
    alone.symlink_to(COLLECTIONS / "ansible_collections" / "kube_ecr" / "secrets")
    ask = {"kube_ecr.secrets.ecr_pull_secret_info": {"kubeconfig": "/none"}, "ignore_errors": True}
    ansible = Ansible(tmp_path, {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path)})
    run = ansible.play({"name": "Ask", **ask, **way})
    assert "ansible-galaxy collection install kubernetes.core" in run.result("Ask")["msg"], run.output
