"""The images that the node runs: the product's, by its own Containerfile, and small ones of busybox.

The base of the product's image is docker.io's python. A stand-in takes its place, since not every machine that runs the
tests reaches a registry: Debian of the same release with its own Python. With KUBE_ECR_BASE=registry the true base is
pulled. `python -m tests.support.node.images` builds and prints the path.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.harness.tools import cache_dir

ROOT = Path(__file__).parents[3]
# What the chart's image is called on the node.
PRODUCT = "localhost/kube-ecr/runner:node"
PAUSE = "localhost/pause:1"
_RELEASE = "trixie"
_MIRROR = "http://deb.debian.org/debian"
_PACKAGES = ("python3", "python3-venv", "python3-pip", "ca-certificates")
# How this machine reaches PyPI, where the network asks for certificates or settings of its own.
_SETTINGS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")
_BUSYBOX = Path("/bin/busybox")


class ImageError(RuntimeError):
    """An image cannot be built; the text is the command and what it said."""


def product_image() -> Path:
    """Return the archive of the product's image, built first if its sources changed. Raises ImageError."""
    is_true = os.environ.get("KUBE_ECR_BASE") == "registry"
    archive = ROOT / "build" / f"image-{'registry-' if is_true else ''}{_checksum(_sources())}.tar"
    if archive.exists():
        return archive
    base = [] if is_true else [f"--from={base_image()}"]
    archive.parent.mkdir(exist_ok=True)
    for old in archive.parent.glob("image-*.tar"):
        old.unlink()
    print("== building the image of the runner by its Containerfile", file=sys.stderr, flush=True)
    build_image(*base, "--file=runner/Containerfile", f"--tag={PRODUCT}", ".")
    unfinished = archive.with_suffix(".unfinished")
    _buildah("push", "--quiet", PRODUCT, f"docker-archive:{unfinished}:{PRODUCT}")
    remove_image(PRODUCT)
    unfinished.rename(archive)
    return archive


def build_image(*arguments: str) -> None:
    """Build an image with buildah, with these options and on this machine's network. Raises ImageError."""
    mounts = [f"--volume={path}:{path}:ro" for path in _SETTINGS if Path(path).exists()]
    # Where podman brought crun, buildah prefers that, which does not run with cgroups of both versions.
    _buildah("build", "--quiet", "--isolation=oci", "--runtime=runc", "--network=host", *mounts, *arguments)


def remove_image(name: str) -> None:
    """Remove an image from buildah's storage. Raises ImageError."""
    _buildah("rmi", name)


def _sources() -> Iterator[Path]:
    """Yield the files that go into the image."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in allowed:
        found = (ROOT / name).rglob("*") if (ROOT / name).is_dir() else [ROOT / name]
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _checksum(paths: Iterator[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_mode:o}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def base_image() -> str:
    """Return the name of the stand-in for the base image, made first if the cache does not hold it."""
    key = hashlib.sha256(" ".join((_RELEASE, *_PACKAGES, _strip.__doc__ or "")).encode()).hexdigest()[:8]
    name = f"localhost/python-base:{key}"
    if subprocess.run(_command("inspect", "--type=image", name), capture_output=True).returncode == 0:
        return name
    print(f"== making a stand-in for the base image out of Debian {_RELEASE} (about a minute, once)", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="kube-ecr-base-") as folder:
        root = Path(folder, "root")
        include = f"--include={','.join(_PACKAGES)}"
        _run(["debootstrap", "--variant=minbase", include, _RELEASE, str(root), _MIRROR])
        _strip(root)
        container = _buildah("from", "scratch")
        _buildah("add", "--quiet", container, str(root), "/")
        _buildah("commit", "--quiet", "--rm", container, name)
    return name


def _strip(root: Path) -> None:
    """Remove what the official image lacks: the bytecode of the standard library, and the packages' archives."""
    _run(["find", str(root), "-name", "__pycache__", "-prune", "-exec", "rm", "-r", "{}", "+"])
    _run(["rm", "-rf", *(str(root / path) for path in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc"))])


def storage() -> tuple[Path, Path]:
    """Return where buildah keeps images and what runs, the graph root and the run root of its storage (overlay)."""
    root = cache_dir() / "images"
    return root, root.with_name(f"{root.name}-run")


def _command(*arguments: str) -> list[str]:
    root, run_root = storage()
    return ["buildah", f"--root={root}", f"--runroot={run_root}", "--storage-driver=overlay", *arguments]


def _buildah(*arguments: str) -> str:
    return _run(_command(*arguments)).strip()


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise ImageError(f"{' '.join(command[:4])} ... failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def busybox_image(path: Path, name: str) -> None:
    """Write an archive of an image that runs until it is told to stop; each name makes another image."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        member = archive.gettarinfo(str(_BUSYBOX), "bin/busybox")
        with _BUSYBOX.open("rb") as file:
            archive.addfile(member, file)
    # Process 1 is ended by no signal that it does not handle.
    command = ["/bin/busybox", "sh", "-c", "trap 'exit 0' TERM; sleep 1000000 & wait"]
    diff = f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"
    config = json.dumps(
        {
            "architecture": _architecture(),
            "os": "linux",
            "config": {"Cmd": command, "Env": [f"NAME={name}", "PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [diff]},
            "history": [{"created_by": "busybox"}],
        }
    ).encode()
    files = {
        "layer.tar": layer.getvalue(),
        "config.json": config,
        "manifest.json": json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode(),
    }
    with tarfile.open(path, "w") as archive:
        for file_name, content in files.items():
            member = tarfile.TarInfo(file_name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


def main() -> None:
    """Build the product's image and print where it is."""
    try:
        print(product_image())
    except ImageError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
