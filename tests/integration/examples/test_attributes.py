"""`attributes` of each module, compared with what it does: each is measured, and what was measured is what is said.

An attribute that nothing here measures makes the test fail, as does one that is missing.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import Cluster, pull_secret
from tests.support.documentation import plugins
from tests.support.harness.ansible import TARGET_PYTHON, Ansible, Run

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
GROUPS = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
RECONCILE = "ecr_reconcile"
# Keywords of the task for each of its runs.
MODES: dict[str, dict[str, Any]] = {
    "predicted": {"check_mode": True, "diff": True},
    "done": {"diff": True},
    "async": {"async": 60, "poll": 1},
}


def login() -> dict[str, str]:
    expires_at = (datetime.now(UTC) + timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"registry": HOST, "username": "AWS", "password": "canary", "expires_at": expires_at}


def options(module: str, principal: Principal, aws: AWSEndpoint, namespace: str) -> dict[str, Any]:
    """Return options with which a module that can change something does so."""
    keys = {"access_key": principal.access_key, "secret_key": principal.secret_key}
    return {
        "ecr_token": {**keys, "region": "eu-west-1", "endpoint_url": aws.url},
        "ecr_pull_secret": {"secret_name": "ecr-login", "namespaces": [namespace], "authorizations": [login()]},
        "ecr_pull_secret_info": {"namespaces": [namespace]},
        "ecr_registry_login": {"client": "docker", "authorizations": [login()]},
        RECONCILE: {},
    }[module]


def state(ansible: Ansible, cluster: Cluster, namespace: str) -> tuple[object, ...]:
    """Return all that our modules change."""
    path = ansible.home / ".docker" / "config.json"
    return cluster.secret(namespace), path.read_text() if path.exists() else None


def play(ansible: Ansible, module: str, chosen: dict[str, Any], *modes: str) -> Run:
    """Run the module in these modes, on the hosts of the inventory if it is for these."""
    tasks = [
        {"name": mode, f"kube_ecr.secrets.{module}": chosen, "ignore_errors": True, **MODES[mode]} for mode in modes
    ]
    hosts = "aws_identities" if module == RECONCILE else "localhost"
    path = ansible.home / "play.yml"
    path.write_text(json.dumps([{"name": "Play", "hosts": hosts, "gather_facts": False, "tasks": tasks}]))
    python = ("-e", json.dumps({"ansible_python_interpreter": TARGET_PYTHON}))
    inventory = ("-i", ansible.inventory()) if module == RECONCILE else ()
    # By default, the file of a job is looked for in the home of the environment, and written into that of the account.
    jobs = {"ANSIBLE_ASYNC_DIR": str(ansible.home / "jobs")}
    return ansible.run("ansible-playbook", *inventory, str(path), *python, **jobs)


@pytest.mark.slow
@pytest.mark.parametrize("module", plugins.names("modules"))
def test_attributes_say_what_the_module_does(
    module: str, ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    (namespace,) = cluster.namespaces("own")
    if module == RECONCILE:
        cluster.apply(pull_secret("app", principal, namespace=namespace))
    chosen = options(module, principal, aws, namespace)
    before = state(ansible, cluster, namespace)
    predicted = play(ansible, module, chosen, "predicted").results[-1]
    is_untouched = state(ansible, cluster, namespace) == before
    *_, done, alone = play(ansible, module, chosen, "done", "async").results
    is_changed = state(ansible, cluster, namespace) != before
    assert (done["status"], done["result"]["changed"]) == ("ok", is_changed), "it says whether it changed something"

    # As ansible-core has it: a module that cannot predict is skipped.
    is_predicted = is_untouched and (predicted["status"], predicted["result"]["changed"]) == ("ok", is_changed)
    shown = [bool(each["result"].get("diff")) for each in (predicted, done)]
    is_refused = alone["status"] == "failed" and "async" in alone["result"]["msg"]
    assert is_refused or alone["status"] == "ok", f"what is not possible is refused aloud: {alone}"
    groups = sorted(f"{plugins.COLLECTION}.{name}" for name, members in GROUPS.items() if module in members)
    action = plugins.FOLDER / "action" / f"{module}.py"
    measured = {
        "action": "full" if action.exists() else "none",
        "async": "none" if is_refused else "full",
        "check_mode": "full" if is_predicted else "none",
        "diff_mode": "full" if shown == [True, True] else "none",
        "platform": "full" if os.name == "posix" else "none",
        **({"action_group": "full"} if groups else {}),
    }
    said = plugins.documentation(module, "DOCUMENTATION")["attributes"]
    assert measured == {name: attribute["support"] for name, attribute in said.items()}
    assert said.get("action_group", {"membership": []})["membership"] == groups
    assert said["platform"]["platforms"] == os.name
