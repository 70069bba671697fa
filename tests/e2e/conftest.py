"""What the end-to-end tests share."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.harness.ansible import Ansible
from tests.support.harness.runner import Runner


@pytest.fixture
def runner(ansible: Ansible, tmp_path: Path) -> Iterator[Runner]:
    """A runner that is not started yet, with a TMPDIR of its own (pytest's paths are too long for sockets)."""
    with tempfile.TemporaryDirectory() as temporary:
        settings = Ansible(ansible.home, {**ansible.env, "TMPDIR": temporary})
        runner = Runner(settings, tmp_path / "runner.log", "--log-level", "debug")
        yield runner
        runner.stop()
        assert "Traceback" not in runner.log
        assert "please report it" not in runner.log
        assert not list(Path(temporary).iterdir()), "its private directories are gone"


@pytest.fixture
def start(ansible: Ansible, tmp_path: Path) -> Iterator[Callable[..., Runner]]:
    """Starts a runner with options and variables, in a TMPDIR of its own (pytest's paths are too long for sockets)."""
    with tempfile.TemporaryDirectory() as temporary:
        started: list[Runner] = []

        def start(*options: str, **env: str) -> Runner:
            settings = Ansible(ansible.home, {**ansible.env, "TMPDIR": temporary, **env})
            started.append(Runner(settings, tmp_path / "runner.log", *options))
            started[-1].start()
            return started[-1]

        yield start
        for runner in started:
            runner.stop()
            assert "Traceback" not in runner.log
            assert "please report it" not in runner.log
        assert not list(Path(temporary).iterdir()), "its private directories are gone"
