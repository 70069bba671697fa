"""Checks the built and the installed collection, as `make lint` does:

1. The artifact holds what is meant to ship, and nothing else.
2. Every plugin's documentation can be read by `ansible-doc`, without a warning and without any other collection: where
   Galaxy reads it, there is none.
3. ansible-test's own validate-modules finds nothing: options, defaults, types and return values are
   documented as the code has them, and the examples are YAML.

`make sanity` does the third as well, with all that ansible-test has, and takes minutes for it. Here its program is run
with our packages, in seconds, since this is where most slips are made.

    python tests/tools/check_collection.py build/kube_ecr-secrets-1.0.0.tar.gz .venv/collections
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

NAMESPACE, NAME = "kube_ecr", "secrets"

SHIPPED = {
    "CHANGELOG.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "changelogs",
    "crds",
    "docs",
    "extensions",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "requirements.yml",
    "roles",
    "tests",
}
MUST_SHIP = {
    "LICENSE",
    "README.md",
    "meta/runtime.yml",
    "meta/execution-environment.yml",
    "extensions/patterns/keep_ecr_logins_fresh/meta/pattern.json",
    "extensions/patterns/keep_ecr_logins_fresh/playbooks/awx_registry_credential.yml",
    "playbooks/awx_registry_credential.yml",
    "playbooks/cleanup.yml",
    "playbooks/install.yml",
    "playbooks/reconcile.yml",
    "plugins/modules/ecr_reconcile.py",
    "plugins/modules/ecr_registry_login.py",
    "plugins/modules/ecr_token.py",
    "plugins/modules/ecr_pull_secret.py",
    "plugins/modules/ecr_pull_secret_info.py",
    "plugins/action/ecr_reconcile.py",
    "plugins/action/ecr_registry_login.py",
    "plugins/action/ecr_token.py",
    "plugins/action/ecr_pull_secret.py",
    "plugins/action/ecr_pull_secret_info.py",
    "plugins/inventory/pull_secrets.py",
    "requirements.txt",
    "crds/awsecrimagepullsecrets.yaml",
    "roles/registry_login/tasks/main.yml",
    "roles/registry_login/templates/kube-ecr-registry-login.service",
    "roles/awx_registry_credential/tasks/main.yml",
    "roles/runner/files/chart/Chart.yaml",
    "roles/runner/files/chart/files/crds/awsecrimagepullsecrets.yaml",
    "roles/runner/files/chart/templates/_helpers.tpl",
    "roles/runner/files/chart/values.schema.json",
    "roles/runner/files/manifests.yaml",
    "roles/runner/files/pod-injection.yaml",
    "roles/runner/tasks/main.yml",
    "tests/config.yml",
}
NEVER_SHIPPED = ("__pycache__", ".pyc", ".retry", "~", ".tar.gz", ".swp", ".orig", ".rej")

# Kinds of plugins that have documentation of their own, by the name of their folder.
DOCUMENTED = {"modules": "module", "inventory": "inventory"}


def artifact_problems(artifact: Path) -> Iterator[str]:
    with tarfile.open(artifact) as tar:
        names = {PurePosixPath(member.name).as_posix() for member in tar.getmembers()}
    for name in sorted({name.split("/")[0] for name in names} - SHIPPED):
        yield f"{name} ships in the artifact: name it in build_ignore of galaxy.yml, or in SHIPPED here"
    for name in sorted(name for name in names if name.startswith("tests/") and name != "tests/config.yml"):
        yield f"{name} ships in the artifact, as of tests only config.yml should: correct build_ignore in galaxy.yml"
    for name in sorted(MUST_SHIP - names):
        yield f"{name} is missing from the artifact"
    for name in sorted(names):
        if name.endswith(NEVER_SHIPPED) or any(part.startswith(".") for part in PurePosixPath(name).parts):
            yield f"{name} ships in the artifact, and should not"


def documentation_problems(collections: Path) -> Iterator[str]:
    """ansible-doc as a user runs it. It may exit with 0 and still have complained."""
    command = [_tool("ansible-doc"), "--json", "--metadata-dump", f"{NAMESPACE}.{NAME}"]
    with tempfile.TemporaryDirectory(prefix="collections-") as scratch:
        alone = _installed(Path(scratch))
        alone.parent.mkdir(parents=True)
        alone.symlink_to(_installed(collections))
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=_environment(Path(scratch)))
    # Ansible itself holds a collection without a manifest, of which it warns.
    complaints = [line for line in done.stderr.splitlines() if line.strip() and "/ansible/_protomatter'" not in line]
    if done.returncode or complaints:
        yield from complaints or [f"ansible-doc exited with {done.returncode} and said nothing"]
        return
    documented = json.loads(done.stdout)["all"]
    root = _installed(collections)
    for folder, kind in DOCUMENTED.items():
        for path in _plugins(root, folder):
            doc = documented.get(kind, {}).get(f"{NAMESPACE}.{NAME}.{path.stem}")
            if not doc:
                yield f"plugins/{folder}/{path.name}: ansible-doc does not know it"
            elif not (doc.get("examples") or "").strip():
                yield f"plugins/{folder}/{path.name}: no EXAMPLES"
    # A folder of files alone is no role.
    for role in {path.parent for path in (root / "roles").glob("*/tasks/")}:
        if f"{NAMESPACE}.{NAME}.{role.name}" not in documented.get("role", {}):
            yield f"roles/{role.name}: no meta/argument_specs.yml that ansible-doc can read"


def validate_modules_problems(collections: Path) -> Iterator[str]:
    root = _installed(collections)
    version = json.loads((root / "MANIFEST.json").read_text())["collection_info"]["version"]
    util = importlib.metadata.distribution("ansible-core").locate_file(
        "ansible_test/_util/controller/sanity/validate-modules"
    )
    env = _environment(collections) | {"PYTHONPATH": str(util), "PYTHONDONTWRITEBYTECODE": "1"}
    for folder, kind in DOCUMENTED.items():
        plugins = [path.relative_to(root).as_posix() for path in _plugins(root, folder)]
        if not plugins:
            continue
        command = [sys.executable, f"{util}/validate.py", "--format", "json", "--arg-spec"]
        command += ["--collection", f"ansible_collections/{NAMESPACE}/{NAME}"]
        command += ["--collection-version", version, "--plugin-type", kind, *plugins]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=env, cwd=root)
        try:
            report = json.loads(done.stdout)
        except ValueError:
            report = None
        if done.stderr.strip() or report is None or done.returncode not in (0, 3):
            yield f"validate-modules failed on plugins/{folder} ({done.returncode}): {done.stderr.strip()}"
            continue
        for path, findings in sorted(report.items()):
            for error in findings["errors"]:
                yield f"{path}:{error.get('line') or 1}: {error['code']}: {error['msg']}"


def _plugins(root: Path, folder: str) -> list[Path]:
    return sorted(path for path in (root / "plugins" / folder).glob("*.py") if not path.name.startswith("_"))


def _installed(collections: Path) -> Path:
    return collections / "ansible_collections" / NAMESPACE / NAME


def _tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _environment(collections: Path) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return env | {"ANSIBLE_COLLECTIONS_PATH": str(collections), "NO_COLOR": "1"}


def main() -> int:
    parser = argparse.ArgumentParser(description="Check the built and the installed collection.")
    parser.add_argument("artifact", type=Path)
    parser.add_argument("collections_path", type=Path)
    args = parser.parse_args()
    collections = args.collections_path.resolve()
    problems = [
        *artifact_problems(args.artifact),
        *documentation_problems(collections),
        *validate_modules_problems(collections),
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(f"{len(problems)} problem(s) in the collection as it ships", file=sys.stderr)
        return 1
    print("The artifact, the documentation and validate-modules: no problem found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
