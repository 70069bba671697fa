"""What Ansible shows of tasks of ours: no key and no token, whatever settings and callbacks a user has."""

from __future__ import annotations

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import Cluster
from tests.support.harness.ansible import Ansible

# With each of the first two, the default callback shows a task when it has a result, and so with values for templates.
SETTINGS = {
    "strategy that shows a task late": {"ANSIBLE_STRATEGY": "free", "ANSIBLE_DEBUG": "1"},
    "hosts that are not shown": {"ANSIBLE_DISPLAY_SKIPPED_HOSTS": "0", "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"},
    "other callbacks": {
        "ANSIBLE_STDOUT_CALLBACK": "minimal",
        "ANSIBLE_CALLBACKS_ENABLED": "record,junit,tree",
        "JUNIT_OUTPUT_DIR": "junit",
        "ANSIBLE_CALLBACK_TREE_DIR": "tree",
        "ANSIBLE_INJECT_INVOCATION": "1",
    },
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_no_key_and_no_token_is_shown(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal, settings: dict[str, str]
) -> None:
    (namespace,) = cluster.namespaces("team-a")
    role = {
        "name": "Both",
        "ansible.builtin.include_role": {"name": "kube_ecr.secrets.pull_secret"},
        "vars": {
            "pull_secret_region": "eu-west-1",
            "pull_secret_access_key": "{{ lookup('env', 'KEY_ID') }}",
            "pull_secret_secret_key": "{{ lookup('env', 'KEY') }}",
            "pull_secret_endpoint_url": aws.url,
            "pull_secret_namespaces": [namespace],
        },
    }
    # A result that is retried comes from options that are still whole.
    again = {
        "name": "Again",
        "kube_ecr.secrets.ecr_pull_secret": {
            "authorizations": "{{ pull_secret_ecr.authorizations }}",
            "secret_name": "second",
            "namespaces": [namespace],
        },
        "register": "found",
        "until": "found.attempts == 2",
        "retries": 2,
        "delay": 0,
    }
    run = ansible.play(
        role,
        again,
        args=("-vvvvvv", "--diff"),
        KEY_ID=principal.access_key,
        KEY=principal.secret_key,
        ANSIBLE_DISPLAY_ARGS_TO_STDOUT="1",
        ANSIBLE_LOG_PATH="log",
        **settings,
    )
    assert run.status == 0
    assert run.result("Again")["namespaces"][0]["state"] == "unchanged"
    password = cluster.config(namespace)["auths"][principal.registry()]["password"]
    left = [path.read_text(errors="replace") for path in ansible.home.rglob("*") if path.is_file()]
    for secret in (principal.secret_key, principal.access_key, password, password[-40:]):
        assert not any(secret in text for text in (run.output, *left))
    assert "stdout" not in settings or "secret_name=second" in run.output
