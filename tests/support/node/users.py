"""Users of this machine, for no other process of it: in a sandbox, with homes in its own /run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USERS = {"deploy": 47101, "build": 47102, "app": 47103}
HOMES = Path("/run/kube-ecr-homes")


@contextmanager
def users_of_the_machine(folder: Path) -> Iterator[dict[str, Path]]:
    """Make the users, and a home for root beside theirs; return the homes. The folder holds the files about them."""
    mounted = []
    lines = {
        "passwd": [f"{name}:x:{uid}:{uid}::{HOMES / name}:/bin/sh" for name, uid in USERS.items()],
        "group": [f"{name}:x:{uid}:" for name, uid in USERS.items()],
    }
    root = HOMES / "root"
    for name, more in lines.items():
        content = [
            f"root:x:0:0:root:{root}:/bin/sh" if line.startswith("root:") and name == "passwd" else line
            for line in Path("/etc", name).read_text().splitlines()
        ]
        (folder / name).write_text("\n".join([*content, *more, ""]))
        (folder / name).chmod(0o644)
        subprocess.run(["mount", "--bind", str(folder / name), f"/etc/{name}"], check=True)
        mounted.append(f"/etc/{name}")
    for name, uid in {**USERS, "root": 0}.items():
        (HOMES / name).mkdir(parents=True)
        os.chown(HOMES / name, uid, uid)
    HOMES.chmod(0o755)
    yield {name: HOMES / name for name in (*USERS, "root")}
    for path in mounted:
        subprocess.run(["umount", path], check=True)
    subprocess.run(["rm", "-rf", str(HOMES)], check=True)
