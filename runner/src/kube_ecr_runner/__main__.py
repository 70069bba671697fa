"""The command kube-ecr-runner, also as `python -m kube_ecr_runner`."""

from __future__ import annotations

import io
import os
import signal
import sys
from types import FrameType

# As wait status has it: 128 and the number of the signal.
_TERMINATED = 128 + signal.SIGTERM


def main() -> int:
    """Run the command and return its exit status.

    Process 1 of a container is ended by no signal that it does not handle. So what is imported takes its time while
    SIGTERM is handled already: else a pod that is stopped in its first second would stay for all of its grace.
    """
    signal.signal(signal.SIGTERM, _terminate)
    # Whatever this process inherited: what runs write is for their own user, who has to be able to read it, and a
    # locale may lack characters of what AWS or the API server says.
    os.umask(0o077)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    from kube_ecr_runner.cli import main as command

    return command()


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(_TERMINATED)


if __name__ == "__main__":
    raise SystemExit(main())
