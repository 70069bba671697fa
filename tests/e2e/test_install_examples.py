"""Every example that installs, upgrades or removes the runner, run as it stands, in a cluster of its own.

No node runs a pod of it: `runner_wait` is off. tests/integration/examples runs the other examples.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.control_plane import ControlPlane
from tests.support.cluster.objects import Cluster
from tests.support.documentation.examples import COMMAND, Example, all_examples
from tests.support.documentation.stage import Setting, Stage, staged
from tests.support.harness.ansible import Ansible

HERE = [example for example in all_examples() if example.installs]
SETTING = Setting(variables=lambda stage: {"runner_wait": False})


@pytest.fixture(scope="module")
def stage(_endpoint: AWSEndpoint) -> Iterator[Stage]:
    # pytest's tmp_path is too long for the Unix sockets that Ansible makes below its temporary directory.
    with (
        tempfile.TemporaryDirectory() as home,
        ControlPlane() as plane,
        staged(Ansible(Path(home), {}), _endpoint, Cluster(plane)) as stage,
    ):
        yield stage


@pytest.mark.slow
@pytest.mark.parametrize("example", HERE, ids=str)
def test_what_installs_or_removes_the_runner_works(example: Example, stage: Stage) -> None:
    if example.kind != COMMAND:
        assert stage.run_twice(example, SETTING).problems(SETTING) == []
        return
    stage.write("variables.yml", "runner_values: {replicas: 2}\n")
    run = stage.run(SETTING, *shlex.split(example.text))
    assert run.status == 0, run.output
