"""What the role `runner` refuses before it looks at any cluster: by the name of the variable, with what to write."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support.harness.ansible import Ansible

_NO_TEXT = "not a text, but what YAML made of one"
# As they stand in a file of variables, and what is said of them.
SLIPS = {
    "{runner_namespace: 0123, runner_release_name: yes, runner_chart_version: 1.10, runner_context: 12}": (
        f"runner_namespace, runner_release_name, runner_context, runner_chart_version: {_NO_TEXT}"
    ),
    "{runner_image: 1.0, runner_service_account_annotations: {a: 1, b: on}}": (
        f"runner_image, runner_service_account_annotations.a, runner_service_account_annotations.b: {_NO_TEXT}"
    ),
    "{runner_namespace: null}": "runner_namespace",
    "{runner_image: null}": "runner_image",
    "{runner_values: null}": "runner_values",
    "{runner_namespace: A}": "runner_namespace: A can be no name of a namespace",
    "{runner_image: 'https://registry.example.com/runner:1'}": "or can be no image",
    "{runner_image: 'registry.example.com/runner/:1'}": "or can be no image",
}


@pytest.mark.slow
@pytest.mark.versions
def test_what_is_no_text_and_what_can_be_no_image_is_refused_by_name(tmp_path: Path) -> None:
    """All in one play: between plays, ansible-core 2.19 now and then loses a result, and waits for it forever.

    https://github.com/ansible/ansible/issues/85879
    """
    refused = {"name": "Refused", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}}
    role = {"ansible.builtin.include_role": {"name": "kube_ecr.secrets.runner"}}
    tasks = [{"block": [role | {"vars": yaml.safe_load(text)}], "rescue": [refused]} for text in SLIPS]
    # What is taken by mistake finds no cluster.
    done = Ansible(tmp_path, {"KUBECONFIG": "/none"}).play(*tasks)
    said = [each["result"]["msg"] for each in done.results if each["task"] == "Refused"]
    assert done.status == 0, done.output
    for (text, words), message in zip(SLIPS.items(), said, strict=True):
        assert words in message, text
