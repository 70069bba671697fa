"""Every example that acts as other users of a machine, run as it stands, twice: for the users of a sandbox.

tests/integration/examples runs the others.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint
from tests.support.documentation.examples import TASK, Example, all_examples
from tests.support.documentation.stage import Setting, Stage, staged
from tests.support.harness.ansible import Ansible
from tests.support.node.users import users_of_the_machine

_ALL = all_examples()
_OF_USERS = {example.source for example in _ALL if example.becomes}
HERE = [example for example in _ALL if example.source in _OF_USERS]
SETTINGS = {
    "roles/registry_login/README.md: Keep the logins fresh": Setting(may_change="each run writes a new token"),
    "roles/registry_login/README.md: Again and again": Setting(
        # A piece of a play; and no test may write into a folder of systemd's.
        variables=lambda stage: {
            "registry_login_clients": [{"client": "docker"}],
            "registry_login_timer_directory": stage.folder("units"),
        },
        environment=lambda stage: {"AWS_REGION": "eu-west-1"},
        may_change="each run writes a new token",
    ),
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("users")
    with (
        tempfile.TemporaryDirectory() as home,
        AWSEndpoint() as aws,
        users_of_the_machine(folder),
        staged(Ansible(Path(home), {}), aws, None) as stage,
    ):
        yield stage


def test_the_settings_are_those_of_examples() -> None:
    assert SETTINGS.keys() <= set(map(str, HERE))


@pytest.mark.slow
@pytest.mark.parametrize("source", sorted({example.source for example in HERE if example.kind == TASK}))
def test_the_tasks_of_a_module_work(source: str, stage: Stage) -> None:
    tasks = [example for example in HERE if example.source == source]
    outcomes = stage.run_tasks(((example, Setting()) for example in tasks), hosts="build_machines")
    problems = {str(example): outcomes[example.name].problems(Setting()) for example in tasks}
    assert problems == {str(example): [] for example in tasks}


@pytest.mark.slow
@pytest.mark.parametrize("example", [example for example in HERE if example.kind != TASK], ids=str)
def test_a_play_and_variables_of_a_role_work(example: Example, stage: Stage) -> None:
    setting = SETTINGS.get(str(example), Setting())
    assert stage.run_twice(example, setting).problems(setting) == []
