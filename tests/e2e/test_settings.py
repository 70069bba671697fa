"""The runner among settings of Ansible, ansible-runner, Python and the locale that were meant for something else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import Cluster, condition, pull_secret
from tests.support.harness.ansible import COLLECTIONS, Ansible
from tests.support.harness.runner import run_once

PASSWORD_FILE, COLLECTIONS_PATH = "ANSIBLE_VAULT_PASSWORD_FILE", "ANSIBLE_COLLECTIONS_PATH"
NOWHERE = "/nonexistent/hostile"
# What reads an environment beside ansible-core: ansible-runner, Python, the C library.
OTHERS = {
    "JOB_ID": "build-7",
    "AD_HOC_COMMAND_ID": "x",
    "PROJECT_UPDATE_ID": "x",
    "AWX_LIB_DIRECTORY": NOWHERE,
    "AWX_ISOLATED_DATA_DIR": NOWHERE,
    "ORIGINAL_STDOUT_CALLBACK": "hostile",
    "MAX_EVENT_RES": "1",
    "RUNNER_OMIT_EVENTS": "true",
    "FORCE_COLOR": "1",
    "PYTHONSTARTUP": NOWHERE,
    "PYTHONOPTIMIZE": "2",
    "PYTHONDEVMODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "0",
    "PYTHONIOENCODING": "ascii",
    "LC_ALL": "C",
    "LANG": "xx_XX.ISO-8859-1",
    "LANGUAGE": "xx",
    "TZ": "No/Where",
    "NOT_UTF8": os.fsdecode(b"caf\xe9"),
}


def hostile(setting: dict) -> str:
    """Return a value that is valid for a setting of ansible-core, and as far from its default as can be."""
    default, kind = setting.get("default"), str(setting.get("type", "string"))
    if choices := [str(each) for each in setting.get("choices") or ()]:
        return next(each for each in reversed(choices) if each != str(default))
    if kind in ("bool", "boolean"):
        return "0" if str(default).lower() in ("true", "1", "yes") else "1"
    if kind in ("int", "integer"):
        return "0" if str(default) == "1" else "1"
    return {"float": "0.5"}.get(kind, NOWHERE if kind in ("path", "pathlist", "pathspec", "tmppath") else "hostile")


def settings(ansible: Ansible) -> tuple[dict[str, str], str]:
    """Return all variables that this ansible-core knows, with such values, and the same as an ansible.cfg."""
    listed = json.loads(ansible.run("ansible-config", "list", "--format", "json").stdout)
    variables, lines = dict[str, str](), dict[str, list[str]]()
    for setting in listed.values():
        value = hostile(setting)
        variables |= {each["name"]: value for each in setting.get("env") or ()}
        for each in setting.get("ini") or ():
            lines.setdefault(each["section"], []).append(f"{each['key']} = {value}")
    assert len(variables) > 200
    return variables, "".join(f"[{name}]\n" + "".join(f"{line}\n" for line in found) for name, found in lines.items())


@pytest.mark.slow
@pytest.mark.versions
def test_no_setting_of_something_else_keeps_resources_from_being_served_or_the_message_names_it(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Those that are passed on to a run come last: without them all is served."""
    own, shared = cluster.namespaces("own", "shared")
    cluster.apply(pull_secret("app", principal, namespace=own), pull_secret("shared", principal, namespaces=[shared]))
    variables, config = settings(ansible)
    (ansible.home / ".ansible.cfg").write_text(config)
    (ansible.home / "hostile.cfg").write_text(config)
    for kind in ("callback", "vars"):
        plugin = ansible.home / "plugins" / kind / "hostile.py"
        plugin.parent.mkdir(parents=True)
        plugin.write_text("raise SystemExit('a plugin in the home of the user')")
    places = {"ANSIBLE_CONFIG": str(ansible.home / "hostile.cfg"), "ANSIBLE_HOME": str(ansible.home)}
    environment = {**variables, **OTHERS, **places}

    refused = run_once(ansible, "--once", **environment)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert f"{PASSWORD_FILE} is set, but {NOWHERE} cannot be read" in refused.stderr

    del environment[PASSWORD_FILE]
    unserved = run_once(ansible, "--once", **environment)
    assert unserved.returncode == 1
    for resource in (("AWSECRImagePullSecret", "app", own), ("ClusterAWSECRImagePullSecret", "shared")):
        told = condition(cluster.resource(*resource), "RefreshFailing")
        assert (told["reason"], COLLECTIONS_PATH in told["message"]) == ("RunFailed", True)

    served = run_once(ansible, "--once", **environment | {COLLECTIONS_PATH: str(COLLECTIONS)})
    assert served.returncode == 0, served.stderr
    assert all(map(cluster.secret, (own, shared)))
    assert "runs do not use these variables" in served.stderr
    assert not Path(NOWHERE).parent.exists()
