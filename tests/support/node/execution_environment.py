"""The execution environment that ansible-builder makes of this collection.

`python -m tests.support.node.execution_environment` builds it and prints its name. As with the product's image, a
stand-in takes the place of the base image. It has pip and apt, where the base images of AWX have dnf.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from tests.support.harness import packaged_collections
from tests.support.node.images import ROOT, ImageError, base_image, build_image

NAME = "localhost/kube-ecr/execution-environment:test"
# Where ansible-builder puts the files of additional_build_files while it installs collections.
_BUILD = "/build"
_COLLECTIONS = "/usr/share/ansible/collections/ansible_collections"


def definition() -> dict:
    """Return the definition, as a user writes it: the collection, and where the rest comes from.

    kubernetes.core is copied instead of installed, since it comes out of a package that Galaxy knows nothing of.
    """
    target = f"{_COLLECTIONS}/kubernetes"
    return {
        "version": 3,
        "images": {"base_image": {"name": base_image()}},
        "dependencies": {
            "python_interpreter": {"python_path": "/usr/bin/python3"},
            "ansible_core": {"package_pip": _pinned("ansible-core")},
            "ansible_runner": {"package_pip": _pinned("ansible-runner")},
            "galaxy": {"collections": [{"name": "collections/kube_ecr-secrets.tar.gz", "type": "file"}]},
        },
        "additional_build_files": [
            {"src": "kube_ecr-secrets.tar.gz", "dest": "collections"},
            {"src": "kubernetes.core", "dest": "kubernetes.core"},
        ],
        "additional_build_steps": {
            "append_galaxy": [f"RUN mkdir {target} && cp -r {_BUILD}/kubernetes.core {target}/core"]
        },
        "options": {"package_manager_path": "/usr/bin/apt-get", "skip_pip_install": True},
    }


def build() -> str:
    """Build the image out of the artifact in build/, as `make build` leaves it; return its name. Raises ImageError."""
    (artifact,) = (ROOT / "build").glob("kube_ecr-secrets-*.tar.gz")
    with tempfile.TemporaryDirectory(prefix="kube-ecr-execution-environment-") as name:
        folder = Path(name)
        shutil.copy(artifact, folder / "kube_ecr-secrets.tar.gz")
        core = packaged_collections.cached(packaged_collections.KUBERNETES_CORE)
        shutil.copytree(core, folder / "kubernetes.core")
        (folder / "execution-environment.yml").write_text(yaml.safe_dump(definition()))
        builder = Path(sys.executable).parent / "ansible-builder"
        done = subprocess.run([str(builder), "create"], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise ImageError(f"ansible-builder create failed:\n{done.stdout}{done.stderr}")
        # Galaxy is asked for nothing.
        options = ["--build-arg=ANSIBLE_GALAXY_CLI_COLLECTION_OPTS=--offline --no-deps"]
        build_image(*options, f"--tag={NAME}", str(folder / "context"))
    return NAME


def _pinned(package: str) -> str:
    """Return the version that the tests run with, as a requirement."""
    return f"{package}=={importlib.metadata.version(package)}"


def main() -> None:
    """Build it and print its name."""
    try:
        print(build())
    except ImageError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
