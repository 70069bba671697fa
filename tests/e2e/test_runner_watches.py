"""What watches.yaml and the options make of the runner: a user's own tasks, one pass, a pass on trial, shards."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from kube_ecr_runner.contract.timestamps import parse_time
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import CLUSTER, GROUP, NAMESPACED, Cluster, condition, pull_secret
from tests.support.cluster.placement import grant, placed, versions
from tests.support.harness.ansible import Ansible
from tests.support.harness.runner import Runner, run_once

DOCUMENT = Path(__file__).parents[2] / "docs" / "watches.md"
CANARY = "canary-of-a-task"


def watches(folder: Path, **by_kind: dict) -> Path:
    """Write a watches.yaml with these keys for each kind."""
    head = {"version": "v1alpha2", "group": GROUP}
    path = folder / "watches.yaml"
    path.write_text(json.dumps([head | {"kind": kind, **keys} for kind, keys in by_kind.items()]))
    return path


def trouble(cluster: Cluster, kind: str, name: str, namespace: str = "") -> tuple[str, str, str]:
    """Return the status of Ready, and reason and message of RefreshFailing."""
    resource = cluster.resource(kind, name, namespace)
    failing = condition(resource, "RefreshFailing")
    return condition(resource, "Ready")["status"], failing["reason"], failing["message"]


def own_tasks(folder: Path) -> Path:
    """Write a playbook around ours for one kind, and a role for the other; return the watches.yaml."""
    looped = {
        "name": "Look at each",
        "ansible.builtin.assert": {"that": "item.owner.name != forbidden", "fail_msg": "not {{ item.owner.name }}"},
        "loop": "{{ pull_secrets }}",
        "loop_control": {"label": "{{ item.reference }}"},
    }
    rescued = {
        "block": [{"name": "Try", "ansible.builtin.fail": {"msg": "rescued"}}],
        "rescue": [{"name": "Note", "ansible.builtin.copy": {"content": "{{ greeting }}", "dest": f"{folder}/noted"}}],
    }
    play = {"hosts": "aws_identities", "gather_facts": False, "tasks": [rescued, looped]}
    (folder / "site.yml").write_text(json.dumps([{"import_playbook": "kube_ecr.secrets.reconcile"}, play]))
    secret = {"name": "Tell nobody", "ansible.builtin.fail": {"msg": CANARY}, "no_log": True}
    tasks = folder / "roles" / "extra" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text(json.dumps([secret]))
    variables = {"forbidden": "bad", "greeting": "{{ 'hel' ~ 'lo' }}"}
    return watches(folder, **{NAMESPACED: {"playbook": "site.yml", "vars": variables}, CLUSTER: {"role": "extra"}})


@pytest.mark.slow
@pytest.mark.versions
def test_a_task_of_a_users_own_that_fails_is_told_by_name_and_the_others_are_served(
    cluster: Cluster, principal: Principal, ansible: Ansible, tmp_path: Path
) -> None:
    """The resources share an identity; one of them fails by itself, and the tasks are run all the same."""
    own, taken = cluster.namespaces("own", "taken")
    cluster.core.create_namespaced_secret(taken, {"metadata": {"name": "ecr-login"}, "stringData": {"a": "b"}})
    cluster.apply(
        *(pull_secret(name, principal, namespace=own, secret_name=name) for name in ("good", "bad")),
        pull_secret("blocked", principal, namespace=taken),
        pull_secret("shared", principal, namespaces=[own]),
    )
    done = run_once(ansible, "--once", watches=own_tasks(tmp_path))
    assert done.returncode == 1
    assert trouble(cluster, NAMESPACED, "good", own) == ("True", "RefreshSucceeded", "the last refresh succeeded")
    assert trouble(cluster, NAMESPACED, "bad", own) == ("True", "TaskFailed", "task 'Look at each' failed: not bad")
    assert trouble(cluster, NAMESPACED, "blocked", taken)[:2] == ("False", "SecretConflict")
    ready, reason, message = trouble(cluster, CLUSTER, "shared")
    assert (ready, reason) == ("True", "TaskFailed")
    assert message in ("task 'Tell nobody' failed", "task 'extra : Tell nobody' failed")
    assert (tmp_path / "noted").read_text() == "hello"
    assert "pass ended served=1 not_served=3" in done.stderr
    assert CANARY not in done.stderr + str(cluster.events("shared"))


@pytest.mark.slow
@pytest.mark.versions
def test_a_pass_on_trial_says_what_a_pass_would_do_and_changes_nothing(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, ansible: Ansible, tmp_path: Path
) -> None:
    """Then the same pass in earnest, for resources with a label only, and one more on trial."""
    own, taken = cluster.namespaces("own", "taken")
    (late,) = cluster.names("late")
    cluster.wait_account(own)
    cluster.core.create_namespaced_secret(taken, {"metadata": {"name": "ecr-login"}, "stringData": {"a": "b"}})
    app = placed("app", principal, namespace=own, serviceAccounts=["default"])
    app["metadata"]["labels"] = {"shard": "a"}
    cluster.apply(app, pull_secret("trial", principal, namespaces=[taken, late]))
    before = versions(cluster, [own, taken])
    accounts = cluster.kubectl("get", "sa", "-n", own, "-o", "json")

    done = run_once(ansible, "--dry-run")
    *lines, conflict, awaited, summary = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines == [
        f"AWSECRImagePullSecret/{own}/app: would change",
        f"  create Secret {own}/ecr-login",
        f"  add to imagePullSecrets of service account {own}/default: ecr-login",
        "ClusterAWSECRImagePullSecret/trial: would fail",
    ]
    assert conflict.startswith(f"  fail in namespace {taken}: SecretConflict: ")
    assert awaited == f"  wait for namespace {late} (NamespaceNotFound)"
    assert summary == "2 resources: 1 would be served, 1 would not"
    assert versions(cluster, [own, taken]) == before
    assert cluster.kubectl("get", "sa", "-n", own, "-o", "json") == accounts
    assert cluster.events("trial") == []

    done = run_once(ansible, "--once", "--selector", "shard in (a, b)")
    assert (done.returncode, "pass ended served=1 not_served=0" in done.stderr) == (0, True)
    cluster.wait_ready(NAMESPACED, "app", own)
    assert "status" not in cluster.resource(CLUSTER, "trial")
    quiet = watches(tmp_path, **{CLUSTER: {"playbook": "kube_ecr.secrets.reconcile", "manageStatus": False}})
    assert run_once(ansible, "--once", watches=quiet).returncode == 1
    assert "status" not in cluster.resource(CLUSTER, "trial")
    assert cluster.events("trial") == []

    cluster.delete(NAMESPACED, "app", own)
    done = run_once(ansible, "--dry-run", "--namespaces", own)
    assert done.stdout.splitlines() == [
        f"AWSECRImagePullSecret/{own}/app: would be cleaned up",
        f"  remove from imagePullSecrets of service account {own}/default: ecr-login",
        f"  delete Secret {own}/ecr-login",
        "1 resource: 1 would be served",
    ]
    assert done.returncode == 0
    assert run_once(ansible, "--once", "--namespaces", own).returncode == 0
    assert cluster.secret(own) is None


@pytest.mark.slow
def test_period_of_an_annotation_counts_at_once_and_a_wrong_one_is_told(
    cluster: Cluster, principal: Principal, start: Callable[..., Runner]
) -> None:
    (own,) = cluster.namespaces("own")
    cluster.apply(pull_secret("app", principal, namespace=own))
    runner = start()
    cluster.wait_ready(NAMESPACED, "app", own)
    before = cluster.secret(own)

    def annotate(value: str) -> None:
        name = "ansible.sdk.operatorframework.io/reconcile-period"
        cluster.kubectl("annotate", "aeps", "app", "-n", own, "--overwrite", f"{name}={value}")

    def next_check() -> timedelta:
        due = parse_time(cluster.resource(NAMESPACED, "app", own)["status"]["nextRefreshTime"])
        assert due
        return due - datetime.now(UTC)

    assert next_check() > timedelta(hours=5)
    annotate("2h")
    cluster.wait(lambda: next_check() <= timedelta(hours=2), "the period counts")
    annotate("two hours")
    cluster.wait(lambda: "AnnotationIgnored" in cluster.kubectl("get", "events", "-n", own), "it is told")
    ready = condition(cluster.resource(NAMESPACED, "app", own), "Ready")
    told = (
        "annotation ansible.sdk.operatorframework.io/reconcile-period is ignored: 'two hours' is no length of time "
        "such as 1h30m, 90s, or 0s for none; correct or remove it"
    )
    assert (ready["status"], ready["message"].endswith(f"; {told}")) == ("True", True)
    assert told in runner.log
    assert next_check() > timedelta(hours=5)
    assert cluster.secret(own) == before


@pytest.mark.slow
def test_a_runner_of_some_namespaces_needs_no_right_outside_them(
    cluster: Cluster, principal: Principal, ansible: Ansible, start: Callable[..., Runner]
) -> None:
    """The rights are those that the document names.

    It sees a pull secret that is deleted and a service account that appears there; what else there is stays so.
    """
    first, second, other = cluster.namespaces("first", "second", "other")
    user = f"shard-{first}"
    (text,) = re.findall(r"^```yaml\n(apiVersion: rbac.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    for namespace in (first, second):
        grant(cluster, user, yaml.safe_load(text)["rules"], namespace)
    app = placed("app", principal, namespace=first, serviceAccounts=["build"])
    cluster.apply(app, *(pull_secret("app", principal, namespace=name) for name in (second, other)))
    cluster.apply(pull_secret("shared", principal, namespaces=[first]))
    kubeconfig = str(cluster.plane.kubeconfig_for(user))
    options = ("--namespaces", f"{first},{second}")
    assert run_once(ansible, "--once", *options, K8S_AUTH_KUBECONFIG=kubeconfig).returncode == 0
    assert condition(cluster.resource(NAMESPACED, "app", second), "Ready")["status"] == "True"

    runner = start(*options, K8S_AUTH_KUBECONFIG=kubeconfig)
    cluster.wait(runner.is_watching, "it watches")
    cluster.core.delete_namespaced_secret("ecr-login", second)
    cluster.wait(lambda: cluster.secret(second), "the Secret is back")
    cluster.kubectl("create", "serviceaccount", "build", "-n", first)
    cluster.wait(lambda: "ecr-login" in cluster.kubectl("get", "sa", "build", "-n", first, "-o", "yaml"), "it is told")
    app["spec"]["secretName"] = "renamed"
    cluster.apply(app)
    cluster.wait(lambda: cluster.secret(first) is None and cluster.secret(first, "renamed"), "it is renamed")
    cluster.delete(NAMESPACED, "app", first)
    cluster.wait(lambda: cluster.secret(first, "renamed") is None, "it is undone")
    warnings = [line for line in runner.log.splitlines() if " WARNING " in line]
    assert ["watch=namespaces" in line for line in warnings] == [True], "of that alone it has no right"
    assert cluster.secret(other) is None
    assert "status" not in cluster.resource(CLUSTER, "shared")
