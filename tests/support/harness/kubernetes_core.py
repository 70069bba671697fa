"""Puts kubernetes.core into a collections path, without Ansible Galaxy.

Galaxy cannot be reached from every machine that builds and tests this collection, but PyPI's package
`ansible` holds kubernetes.core. The wheel is downloaded once (50 MB), the one collection is taken out of it
and kept in the cache folder, and the wheel is thrown away. From then on no network is needed.

    python -m tests.support.harness.kubernetes_core .venv/collections
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.support.harness.tools import cache_dir

ANSIBLE_VERSION = "14.5.0"
KUBERNETES_CORE_VERSION = "6.6.0"
_PREFIX = "ansible_collections/kubernetes/core/"


class FetchError(Exception):
    """What went wrong, worded for the person who started the command."""


def cached() -> Path:
    """The collection's folder in the cache, fetched if it is not there yet."""
    cache = cache_dir()
    target = cache / f"kubernetes.core-{KUBERNETES_CORE_VERSION}"
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    # Beside its destination, so that the last step is a rename: an interrupted fetch leaves nothing half.
    with tempfile.TemporaryDirectory(prefix="kubernetes.core-", dir=cache) as scratch:
        wheel = _download(Path(scratch))
        unpacked = _extract(wheel, Path(scratch) / "unpacked")
        try:
            unpacked.rename(target)
        except OSError:
            if not target.is_dir():  # else another checkout was faster
                raise
    return target


def _download(into: Path) -> Path:
    print(
        f"Getting kubernetes.core {KUBERNETES_CORE_VERSION} out of PyPI's package ansible {ANSIBLE_VERSION}: "
        f"a download of about 50 MB, once. It is kept in {cache_dir()}.",
        flush=True,
    )
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(into), f"ansible=={ANSIBLE_VERSION}"]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        detail = done.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
        raise FetchError(f"pip could not download ansible=={ANSIBLE_VERSION}: {detail[0]}")
    wheels = list(into.glob("ansible-*.whl"))
    if len(wheels) != 1:
        raise FetchError(f"pip was to leave one wheel of ansible in {into}, but there are {len(wheels)}")
    return wheels[0]


def _extract(wheel: Path, into: Path) -> Path:
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.startswith(_PREFIX)]
            if not members:
                raise FetchError(f"{wheel.name} holds no kubernetes.core")
            archive.extractall(into, members)
    except zipfile.BadZipFile as err:
        raise FetchError(f"{wheel.name} is not a whole wheel ({err}): run the command again") from None
    collection = into / _PREFIX
    version = _version(collection)
    if version != KUBERNETES_CORE_VERSION:
        raise FetchError(
            f"ansible {ANSIBLE_VERSION} holds kubernetes.core {version}, not {KUBERNETES_CORE_VERSION}: "
            f"change the versions in {Path(__file__).name} together"
        )
    return collection


def _version(collection: Path) -> str | None:
    try:
        manifest = json.loads((collection / "MANIFEST.json").read_text())
        return str(manifest["collection_info"]["version"])
    except (OSError, ValueError, KeyError):
        return None


def install(collections_path: Path) -> Path:
    """Copies the collection into a collections path, unless that version is there already."""
    target = collections_path / _PREFIX
    if _version(target) == KUBERNETES_CORE_VERSION:
        return target
    source = cached()
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)
    return target


def main() -> int:
    parser = argparse.ArgumentParser(description="Put kubernetes.core into a collections path.")
    parser.add_argument("collections_path", type=Path, help="the folder that holds ansible_collections/")
    args = parser.parse_args()
    try:
        print(f"kubernetes.core {KUBERNETES_CORE_VERSION} is in {install(args.collections_path)}")
    except (FetchError, OSError) as err:
        print(f"Could not get kubernetes.core: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
