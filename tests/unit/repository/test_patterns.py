"""The patterns for Ansible Automation Platform keep to their specification, and ask for what their playbooks take.

https://github.com/ansible/pattern-service/tree/main/specifications; the schema itself is not on PyPI, and ansible-lint
has dropped it. The pattern service needs an execution environment and labels, though the schema does not demand them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

PATTERNS = sorted(path for path in (ROOT / "extensions" / "patterns").iterdir())
TYPES = {"text": "str", "integer": "int", "password": "str"}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda path: path.name)
def test_a_pattern_has_what_the_specification_demands(pattern: Path) -> None:
    meta = json.loads((pattern / "meta" / "pattern.json").read_text())
    assert {"schema_version", "name", "title", "description", "short_description", "aap_resources"} <= set(meta)
    assert meta["name"] == pattern.name
    assert len(meta["title"]) <= 64
    assert (pattern / "README.md").is_file()
    resources = meta["aap_resources"]
    assert {"name", "description", "image_name"} <= set(resources["controller_execution_environment"])
    assert {"name", "description"} <= set(resources["controller_project"])
    templates = resources["controller_job_templates"]
    assert [template["primary"] for template in templates].count(True) == 1
    for template in templates:
        assert template["execution_environment"] == resources["controller_execution_environment"]["name"]
        assert set(template["labels"]) <= set(resources["controller_labels"])
        playbook = pattern / "playbooks" / template["playbook"]
        name = read(playbook)[0]["ansible.builtin.import_playbook"].removeprefix("kube_ecr.secrets.")
        assert (ROOT / "playbooks" / f"{name}.yml").is_file()
        options = read(playbook.with_suffix(".meta.yml"))["argument_specs"][playbook.stem]["options"]
        questions = {each["variable"]: each for each in template.get("survey", {}).get("spec", [])}
        assert set(questions) == set(options)
        role = ROOT / "roles" / name / "meta" / "argument_specs.yml"
        known = read(role)["argument_specs"]["main"]["options"] if questions else {}
        for variable, question in questions.items():
            assert TYPES[question["type"]] == options[variable]["type"] == known[variable]["type"]
            assert options[variable].get("default") == known[variable].get("default")
            assert (question.get("default") or None) == known[variable].get("default")
