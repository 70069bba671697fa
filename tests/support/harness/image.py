"""The image without a container engine: what it holds, in .venv/image, and what the Containerfile sets around that.

`make install-image` fills the folder by the script that the Containerfile runs, runner/install.sh.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.harness.ansible import Ansible

CONTAINERFILE = Path(__file__).parents[3] / "runner" / "Containerfile"
TREE = Path(sys.prefix) / "image"


@dataclass(frozen=True)
class Stage:
    """One stage of a Containerfile: its base, and its instructions as pairs of a name and the rest of the line."""

    base: str
    instructions: tuple[tuple[str, str], ...]

    def values(self, instruction: str) -> list[str]:
        """Return what stands after each instruction of that name."""
        return [value for name, value in self.instructions if name == instruction]

    def pairs(self, instruction: str) -> dict[str, str]:
        """Return what ENV or LABEL set."""
        return dict(each.split("=", 1) for value in self.values(instruction) for each in shlex.split(value))

    def command(self) -> list[str]:
        """Return what a container starts when it is told nothing."""
        return json.loads(self.values("ENTRYPOINT")[-1])


def stages() -> list[Stage]:
    """Return the stages of the Containerfile; the last one is the image."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if line and not line.startswith("#")]
    found: list[Stage] = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, value = line.split(maxsplit=1)
        if name == "FROM":
            found.append(Stage(value.split()[0], ()))
        else:
            found[-1] = replace(found[-1], instructions=(*found[-1].instructions, (name, value)))
    return found


def in_image(ansible: Ansible, temporary: Path) -> Ansible:
    """Return the same with the programs and variables of the image, where `temporary` is what /tmp is there."""
    _, build, _ = stages()
    (run,) = build.values("RUN")
    destination = run.split()[-1]
    there = {destination: str(TREE), "/tmp": str(temporary)}
    variables = {
        name: re.sub("|".join(there), lambda match: there[match[0]], value)
        for name, value in stages()[-1].pairs("ENV").items()
    }
    return Ansible(ansible.home, {**ansible.env, "TMPDIR": str(temporary), **variables}, TREE / "bin")
