"""What a process takes of the machine: memory, threads, open files, children, and files below its TMPDIR."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.support.harness.processes import children


@dataclass(frozen=True)
class Footprint:
    """At one moment; memory is what is resident and belongs to the process alone, in MiB."""

    memory: float
    threads: int
    open_files: int
    children: int
    files: int

    @property
    def counts(self) -> dict[str, int]:
        """All but the memory, by name."""
        return {"threads": self.threads, "open files": self.open_files, "children": self.children, "files": self.files}


def footprint(pid: int, temporary: Path) -> Footprint:
    """Look at a process now; raises OSError when it has ended. Files are counted with folders, as inodes are."""
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return Footprint(
        memory=int(status["RssAnon"].split()[0]) / 1024,
        threads=int(status["Threads"]),
        open_files=sum(1 for _ in (process / "fd").iterdir()),
        children=len(children(pid)),
        files=sum(1 for _ in temporary.rglob("*")),
    )
