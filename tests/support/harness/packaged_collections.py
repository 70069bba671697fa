"""Puts collections of others into a collections path, without Ansible Galaxy.

Galaxy cannot be reached from every machine that builds and tests this collection, but PyPI's package `ansible` holds
kubernetes.core, which ours depends on, and amazon.aws, which is only tested with. The wheel is downloaded once (50 MB),
these collections are taken out of it and kept in the cache folder, and the wheel is thrown away. From then on no
network is needed.

    python -m tests.support.harness.packaged_collections .venv/collections

puts kubernetes.core there. amazon.aws is only fetched: a test that wants it has a path of its own (see `install`).
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

KUBERNETES_CORE = "kubernetes.core"
AMAZON_AWS = "amazon.aws"
# What the tests run with.
VERSIONS = {KUBERNETES_CORE: "6.6.0", AMAZON_AWS: "11.4.0"}
# The oldest that galaxy.yml allows, for `make matrix`.
KUBERNETES_CORE_OLDEST = "5.0.0"
# The package that holds these, and which collections others hold, which are for `make matrix`.
ANSIBLE_VERSION = "14.5.0"
_PACKAGES = {ANSIBLE_VERSION: VERSIONS, "11.0.0": {KUBERNETES_CORE: KUBERNETES_CORE_OLDEST}}


class FetchError(Exception):
    """What went wrong, worded for the person who started the command."""


def cached(name: str, version: str = "") -> Path:
    """Return a collection's folder in the cache, in the tests' version or another of those that are known.

    If it is not there yet, all that come in the same package are fetched. Raises FetchError.
    """
    cache = cache_dir()
    wanted = version or VERSIONS[name]
    package = next((package for package, holds in _PACKAGES.items() if holds.get(name) == wanted), "")
    if not package:
        raise FetchError(f"no version of ansible that holds {name} {wanted} stands in {Path(__file__).name}")
    targets = {each: cache / f"{each}-{version}" for each, version in _PACKAGES[package].items()}
    if targets[name].is_dir():
        return targets[name]
    cache.mkdir(parents=True, exist_ok=True)
    # Beside its destination, so that the last step is a rename: an interrupted fetch leaves nothing half.
    with tempfile.TemporaryDirectory(prefix="collections-", dir=cache) as scratch:
        wheel = _download(package, Path(scratch))
        for each, target in targets.items():
            unpacked = _extract(wheel, package, each, Path(scratch) / "unpacked")
            try:
                unpacked.rename(target)
            except OSError:
                if not target.is_dir():  # else it was there, or another checkout was faster
                    raise
    return targets[name]


def _download(package: str, into: Path) -> Path:
    print(
        f"Getting {' and '.join(_PACKAGES[package])} out of PyPI's package ansible {package}: "
        f"a download of about 50 MB, once. They are kept in {cache_dir()}.",
        flush=True,
    )
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(into), f"ansible=={package}"]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        detail = done.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
        raise FetchError(f"pip could not download ansible=={package}: {detail[0]}")
    wheels = list(into.glob("ansible-*.whl"))
    if len(wheels) != 1:
        raise FetchError(f"pip was to leave one wheel of ansible in {into}, but there are {len(wheels)}")
    return wheels[0]


def _extract(wheel: Path, package: str, name: str, into: Path) -> Path:
    prefix = _folder(name)
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [member for member in archive.namelist() if member.startswith(prefix)]
            if not members:
                raise FetchError(f"{wheel.name} holds no {name}")
            archive.extractall(into, members)
    except zipfile.BadZipFile as err:
        raise FetchError(f"{wheel.name} is not a whole wheel ({err}): run the command again") from None
    collection = into / prefix
    version, expected = _version(collection), _PACKAGES[package][name]
    if version != expected:
        raise FetchError(
            f"ansible {package} holds {name} {version}, not {expected}: "
            f"change the versions in {Path(__file__).name} together"
        )
    return collection


def _folder(name: str) -> str:
    return f"ansible_collections/{name.replace('.', '/')}/"


def _version(collection: Path) -> str | None:
    try:
        manifest = json.loads((collection / "MANIFEST.json").read_text())
        return str(manifest["collection_info"]["version"])
    except (OSError, ValueError, KeyError):
        return None


def install(name: str, collections_path: Path, version: str = "") -> Path:
    """Copy a collection into a collections path, unless that version is there already; return its folder.

    It is the tests' version, or another of those that `cached` knows. Raises FetchError.
    """
    target = collections_path / _folder(name)
    if _version(target) == (version or VERSIONS[name]):
        return target
    source = cached(name, version)
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)
    return target


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Put kubernetes.core into a collections path, and fetch what tests use."
    )
    parser.add_argument("collections_path", type=Path, help="the folder that holds ansible_collections/")
    args = parser.parse_args()
    try:
        print(f"{KUBERNETES_CORE} {VERSIONS[KUBERNETES_CORE]} is in {install(KUBERNETES_CORE, args.collections_path)}")
        cached(AMAZON_AWS)
    except (FetchError, OSError) as err:
        print(f"Could not get a collection: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
