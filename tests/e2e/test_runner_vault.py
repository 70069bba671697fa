"""Values of Ansible's vault in a playbook of one's own, at full verbosity: used, and told nowhere."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.aws.endpoint import Principal
from tests.support.cluster.objects import GROUP, NAMESPACED, Cluster, condition, pull_secret
from tests.support.harness.ansible import Ansible
from tests.support.harness.processes import contents_below, watch_processes
from tests.support.harness.runner import Runner, run_once

PASSWORD, OF_FILE, OF_VARS = "canary-of-the-password", "canary-of-a-file", "canary-of-vars"
COMMAND = "true {}"
# A process that a task starts is a child of a worker, which is one of ansible-playbook.
KILL = """{{ lookup('ansible.builtin.pipe', 'kill -9 $(cut -d " " -f 4 /proc/$PPID/stat)') }}"""
VERBOSE = ("--ansible-verbosity", "7", "--log-level", "debug")


def vaulted(ansible: Ansible, folder: Path, **variables: object) -> Path:
    """Write a playbook, variables for it that are encrypted, and the password; return the watches.yaml."""
    (folder / "password").write_text(PASSWORD)
    (folder / "secrets.yml").write_text(f"of_file: {OF_FILE}\n")
    vault = ("--vault-id", f"dev@{folder}/password")
    assert ansible.run("ansible-vault", "encrypt", *vault, str(folder / "secrets.yml")).status == 0
    printed = ansible.run("ansible-vault", "encrypt_string", *vault, OF_VARS)
    assert printed.stdout.startswith("!vault |")
    digest = {"content": "{{ (of_file ~ of_vars) | hash('sha256') }}", "dest": f"{folder}/used"}
    tasks = [
        {"name": "Use them", "ansible.builtin.copy": digest, "no_log": True},
        {"name": "Hide them", "ansible.builtin.debug": {"msg": "{{ of_file }} {{ of_vars }}"}, "no_log": True},
        {"name": "Hide it, too", "ansible.builtin.raw": COMMAND.format("{{ of_file }}"), "no_log": True},
        {"name": "Show something", "ansible.builtin.debug": {"msg": "it can be seen"}},
        {"name": "Fail", "ansible.builtin.fail": {"msg": "{{ of_vars }}"}, "no_log": True, "when": "fails | bool"},
        {"name": "Die", "ansible.builtin.debug": {"msg": KILL}, "when": "dies | bool"},
    ]
    play = {"hosts": "aws_identities", "gather_facts": False, "vars_files": ["secrets.yml"], "tasks": tasks}
    (folder / "site.yml").write_text(json.dumps([{"import_playbook": "kube_ecr.secrets.reconcile"}, play]))
    names = {"fails": False, "dies": False, **variables}
    entry = {"version": "v1alpha2", "group": GROUP, "kind": NAMESPACED, "playbook": "site.yml"}
    lines = [f"  {name}: {json.dumps(value)}" for name, value in entry.items()]
    lines += ["  vars:", *(f"    {name}: {json.dumps(value)}" for name, value in names.items())]
    text = "\n".join(lines).replace(" ", "-", 1)
    path = folder / "watches.yaml"
    path.write_text(f"{text}\n    of_vars: {textwrap.indent(printed.stdout, ' ' * 6).lstrip()}")
    return path


def failing(cluster: Cluster, namespace: str) -> tuple[str, str]:
    """Return reason and message of RefreshFailing of the resource in a namespace."""
    found = condition(cluster.resource(NAMESPACED, "app", namespace), "RefreshFailing")
    return found["reason"], found["message"]


@pytest.mark.slow
def test_values_of_the_vault_are_used_and_told_nowhere(
    cluster: Cluster, principal: Principal, ansible: Ansible, tmp_path: Path, start: Callable[..., Runner]
) -> None:
    """With another password in the file, the run that waited for work is replaced, and fails until it is back."""
    (own,) = cluster.namespaces("own")
    watches = vaulted(ansible, tmp_path)
    app = pull_secret("app", principal, namespace=own)
    with watch_processes(ansible.home) as seen:
        password = f"--diff --vault-id dev@{tmp_path}/password"
        runner = start("--watches", str(watches), *VERBOSE, "--ansible-args", password)
        cluster.wait(runner.is_watching, "it watches")
        cluster.wait(lambda: "META: inventory" in runner.log or contents_below(runner.temporary), "a run waits")
        private = contents_below(runner.temporary)
        cluster.apply(app)
        cluster.wait_ready(NAMESPACED, "app", own)
        assert (tmp_path / "used").read_text() == hashlib.sha256(f"{OF_FILE}{OF_VARS}".encode()).hexdigest()
        (tmp_path / "password").write_text("canary-of-another-password")
        cluster.kubectl("annotate", "aeps", "app", "-n", own, "aws.zakariaamine.com/reconcile-at=1")
        cluster.wait(lambda: failing(cluster, own)[0] == "RunFailed", "there is no way to decrypt them")
        failed = failing(cluster, own)
        (tmp_path / "password").write_text(PASSWORD)
        cluster.kubectl("annotate", "aeps", "app", "-n", own, "--overwrite", "aws.zakariaamine.com/reconcile-at=2")
        cluster.wait(lambda: failing(cluster, own)[0] == "RefreshSucceeded", "it is decrypted again")
        shown = runner.ask("/metrics")[1]
    assert runner.stop() == 0
    assert "it can be seen" in runner.log
    assert "Decryption failed" in failed[1]
    assert "task 'Hide them' on aws-identities-1: ok; its no_log hides the rest" in runner.log
    shown += runner.log + str(failed) + str(cluster.resource(NAMESPACED, "app", own)["status"])
    shown += cluster.kubectl("get", "events", "-n", own, "-o=jsonpath={..message}")
    assert any(b"__ansible_vault" in content for content in private), "the variables were seen"
    assert any(f"--vault-id=dev@{tmp_path}/password".encode() in content for content in seen)
    # A command into which its author puts a value is seen by all while it runs.
    seen = [content for content in seen if COMMAND.format(OF_FILE).encode() not in content]
    for content in (shown.encode(), *private, *seen):
        assert b"canary" not in content
        assert principal.secret_key.encode() not in content


@pytest.mark.slow
def test_run_that_fails_or_dies_tells_no_value_of_the_vault(
    cluster: Cluster, principal: Principal, ansible: Ansible, tmp_path: Path
) -> None:
    """The password comes by the variable of Ansible; what is printed at 7 is in the log of the pass."""
    (own,) = cluster.namespaces("own")
    cluster.apply(pull_secret("app", principal, namespace=own))
    for trouble, reason in (({"fails": True}, "TaskFailed"), ({"dies": True}, "RunFailed")):
        watches = vaulted(ansible, tmp_path, **trouble)
        password_file = str(tmp_path / "password")
        done = run_once(ansible, "--once", *VERBOSE, watches=watches, ANSIBLE_VAULT_PASSWORD_FILE=password_file)
        assert (done.returncode, failing(cluster, own)[0]) == (1, reason)
        assert "it can be seen" in done.stderr
        assert ("task 'Fail' on aws-identities-1: failed; its no_log hides the rest" in done.stderr) == (
            "fails" in trouble
        )
        told = done.stdout + done.stderr + str(failing(cluster, own))
        assert "canary" not in told + cluster.kubectl("get", "events", "-n", own, "-o=jsonpath={..message}")
        assert principal.secret_key not in told
