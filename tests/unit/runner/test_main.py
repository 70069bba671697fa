"""How the command begins."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from kube_ecr_runner.__main__ import main


class Imported(ModuleType):
    """A module during whose import the process is told to end."""

    def __getattr__(self, name: str) -> None:
        signal.raise_signal(signal.SIGTERM)


@pytest.fixture
def _process() -> Iterator[None]:
    before, umask = signal.getsignal(signal.SIGTERM), os.umask(0o777)
    yield
    signal.signal(signal.SIGTERM, before)
    os.umask(umask)


@pytest.mark.usefixtures("_process")
def test_a_process_that_is_told_to_end_while_it_still_loads_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As process 1 of a container it would stay: the kernel drops a signal that it does not handle."""
    monkeypatch.setitem(sys.modules, "kube_ecr_runner.cli", Imported("kube_ecr_runner.cli"))
    with pytest.raises(SystemExit, match="143"):
        main()
    assert os.umask(0) == 0o077, "what it writes can be read by its own user, whatever it inherited"


def test_what_only_some_runners_need_is_not_loaded_by_all() -> None:
    """Each of these takes megabytes: the official client, and what makes a certificate for --metrics-secure."""
    program = (
        "import sys, kube_ecr_runner.cli\n"
        "print([name for name in ('kubernetes', 'cryptography') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
