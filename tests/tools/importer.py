"""Has Galaxy's importer take the built artifact, as `make importer` does.

Galaxy imports an artifact without any other collection, shows what `ansible-doc` and `ansible-lint` make of it, and
refuses it or shows it without documentation if something is wrong. This fails if the importer refuses the artifact, if
it says anything that is not in EXPECTED, or if a module, plugin or role comes out without documentation.

    python -m tests.tools.importer .venv/importer build/kube_ecr-secrets-1.0.0.tar.gz
    python -m tests.tools.importer .venv/importer build/kube_ecr-secrets-1.0.0.tar.gz --self-check

With --self-check, a doc string in a copy of the artifact is broken first, and it is an error if that is not noticed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

# What the importer may say, and why that is no fault of ours. What it no longer says has to go.
EXPECTED = {
    r"WARNING: \S+: syntax-check\[unknown-module\]: couldn't resolve module/action 'kubernetes\.core\.\w+'\..*": (
        "the importer has none of the collections that ours depends on; `make lint` runs the same rules with it"
    ),
    r"WARNING: ERROR +Failed to find kube_ecr\.secrets\.\w+ playbook\.": (
        "the importer gives ansible-lint a collections path that ends in ansible_collections, below which ansible-lint "
        "looks for another folder of that name"
    ),
}
# flake8 is off on Galaxy; ruff and ansible-test say more.
SETTINGS = {"run_ansible_doc": True, "run_ansible_lint": True, "offline_ansible_lint": True}
# The folders of plugins that have documentation of their own: actions have that of the module of the same name.
DOCUMENTED = {"modules": "module", "inventory": "inventory"}
BROKEN, SOUND_TEXT, BROKEN_TEXT = "plugins/modules/ecr_token.py", "\noptions:\n", "\noptions: [\n"


class Refused(Exception):
    """The importer did not take the artifact; the text is what it said."""


def problems(venv: Path, artifact: Path, *, lints: bool) -> Iterator[str]:
    """Yield what is wrong with an artifact, one sentence each."""
    try:
        said, result = imported(venv, artifact, lints=lints)
    except Refused as refusal:
        yield f"the importer refuses the artifact: {refusal}"
        return
    lines = [line for line in said if line.startswith(("WARNING", "ERROR", "CRITICAL"))]
    for line in lines:
        if not any(re.fullmatch(pattern, line) for pattern in EXPECTED):
            busy = " (the machine is too busy: try again)" if "Timeout on call to ansible-lint" in line else ""
            yield f"the importer says: {line}{busy}"
    for pattern in EXPECTED if lints else ():
        if not any(re.fullmatch(pattern, line) for line in lines):
            yield f"the importer no longer says what EXPECTED has: {pattern}"
    yield from undocumented(artifact, result)


def imported(venv: Path, artifact: Path, *, lints: bool) -> tuple[list[str], dict[str, Any]]:
    """Return the lines that the importer printed, and its result. Raises Refused."""
    with tempfile.TemporaryDirectory(prefix="importer-") as scratch:
        config = Path(scratch, "galaxy-importer.cfg")
        settings = SETTINGS | {"run_ansible_lint": lints, "ansible_local_tmp": f"{scratch}/tmp"}
        config.write_text("[galaxy-importer]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
        done = subprocess.run(
            [f"{venv}/bin/python", "-m", "galaxy_importer.main", str(artifact)],
            cwd=scratch,
            # No collections path, and a home without collections.
            env={
                "PATH": f"{venv}/bin:{os.environ['PATH']}",
                "HOME": scratch,
                "LANG": "C.UTF-8",
                "GALAXY_IMPORTER_CONFIG": str(config),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        result = Path(scratch, "importer_result.json")
        if done.returncode or not result.exists():
            raise Refused((done.stdout + done.stderr).strip().splitlines()[-1:] or ["it said nothing"])
        return done.stdout.splitlines(), json.loads(result.read_text())


def undocumented(artifact: Path, result: dict[str, Any]) -> Iterator[str]:
    """Yield what the artifact holds and the importer has no documentation of."""
    contents = {(each["content_type"], each["content_name"]): each for each in result["docs_blob"]["contents"]}
    for path in names_in(artifact):
        match path.parts:
            case ("plugins", folder, name) if folder in DOCUMENTED and name.endswith(".py") and name != "__init__.py":
                kind = DOCUMENTED[folder]
                docs = (contents.get((kind, path.stem)) or {}).get("doc_strings") or {}
                wanted = ["doc", "examples", "return"] if kind == "module" else ["doc", "examples"]
                missing = [key for key in wanted if not docs.get(key)]
                if missing:
                    yield f"{kind} {path.stem} has no documentation on Galaxy: no {', '.join(missing)}"
            case ("roles", role, "README.md"):
                if not (contents.get(("role", role)) or {}).get("readme_html"):
                    yield f"role {role} has no page on Galaxy"
    for role in {path.parts[1] for path in names_in(artifact) if path.parts[0] == "roles" and len(path.parts) > 2}:
        if PurePosixPath("roles", role, "README.md") not in names_in(artifact):
            yield f"role {role} has no README.md, which Galaxy shows"
    if not result["requires_ansible"]:
        yield "the importer finds no requires_ansible in meta/runtime.yml"


def names_in(artifact: Path) -> list[PurePosixPath]:
    """Return the paths of the files of an artifact."""
    with tarfile.open(artifact) as tar:
        return [PurePosixPath(member.name) for member in tar.getmembers() if member.isfile()]


def break_doc_string(artifact: Path, into: Path) -> Path:
    """Write a copy of an artifact, whole by its checksums, in which a doc string is no YAML; return its path."""
    with tarfile.open(artifact) as tar:
        tar.extractall(into / "tree", filter="data")
    tree, copy = into / "tree", into / artifact.name
    text = (tree / BROKEN).read_text()
    if text.count(SOUND_TEXT) != 1:
        raise SystemExit(f"{BROKEN}: {SOUND_TEXT!r} is there {text.count(SOUND_TEXT)} times; correct SOUND_TEXT")
    (tree / BROKEN).write_text(text.replace(SOUND_TEXT, BROKEN_TEXT))
    files = json.loads((tree / "FILES.json").read_text())
    (entry,) = (each for each in files["files"] if each["name"] == BROKEN)
    entry["chksum_sha256"] = checksum(tree / BROKEN)
    (tree / "FILES.json").write_text(json.dumps(files))
    manifest = json.loads((tree / "MANIFEST.json").read_text())
    manifest["file_manifest_file"]["chksum_sha256"] = checksum(tree / "FILES.json")
    (tree / "MANIFEST.json").write_text(json.dumps(manifest))
    with tarfile.open(copy, "w:gz") as tar:
        for path in sorted(tree.iterdir()):
            tar.add(path, path.name)
    return copy


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description="Have Galaxy's importer take the artifact.")
    parser.add_argument("venv", type=Path, help="the virtual environment of the importer")
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--self-check", action="store_true", help="see that a broken doc string is noticed")
    args = parser.parse_args()
    # Not resolved: the interpreter of a virtual environment is a link.
    venv, artifact = args.venv.absolute(), args.artifact.resolve()
    if args.self_check:
        with tempfile.TemporaryDirectory(prefix="importer-") as scratch:
            found = list(problems(venv, break_doc_string(artifact, Path(scratch)), lints=False))
        module = PurePosixPath(BROKEN).stem
        noticed = next((problem for problem in found if problem.startswith(f"module {module} ")), None)
        if not noticed:
            print(f"A broken doc string in {BROKEN} was not noticed; found: {found}", file=sys.stderr)
            return 1
        print(f"A copy with a broken doc string is refused: {noticed}")
        return 0
    found = list(problems(venv, artifact, lints=True))
    for problem in found:
        print(problem, file=sys.stderr)
    if found:
        print(f"{len(found)} problem(s) in what Galaxy would make of {artifact.name}", file=sys.stderr)
        return 1
    print(f"Galaxy's importer takes {artifact.name}, with the documentation of all modules, plugins and roles")
    return 0


if __name__ == "__main__":
    sys.exit(main())
