"""The release workflow, run step by step for the version of this checkout.

Its shell steps run as they stand, with a fresh Python, the real helm, oras and cosign, and a real registry that answers
for ghcr.io. Galaxy is a server that takes the artifact as Galaxy's API does, `gh` writes down what it is asked to do,
and cosign signs with a key, since Sigstore's services cannot be reached. Not run are the jobs `test`, `test-all`
and `docs-site`, which call make, and `image`, whose digest is made up: its build needs the base image.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.support.aws.endpoint import AWSEndpoint
from tests.support.harness.local_server import LocalServer
from tests.support.harness.tools import go_tool
from tests.support.harness.workflow import StepError, Workflow, environment_of_a_runner, program
from tests.support.registry.server import Registry
from tests.tools.version import release_notes

VERSION = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
CHART = "ghcr.io/kube-ecr/charts/kube-ecr-runner"
ELSEWHERE = {"test", "test-all", "docs-site", "image"}
DIGEST = f"sha256:{'0' * 64}"
TOKEN = "canary-of-galaxy"
# What Galaxy says of its API, and of an import that is over.
VERSIONS = {"available_versions": {"v3": "v3/"}}
IMPORTED = {"state": "completed", "finished_at": "now", "messages": []}


class Galaxy(LocalServer):
    """Takes an artifact as Galaxy does, and tells what was published, and with which authorization."""

    def __init__(self) -> None:
        self.artifact = b""
        self.authorization = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def _make(self) -> ThreadingHTTPServer:
        galaxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(IMPORTED if "/imports/" in self.path else VERSIONS)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                form = message_from_bytes(b"Content-Type: %s\r\n\r\n%s" % (self.headers["Content-Type"].encode(), body))
                parts = (part.get_payload(decode=True) for part in form.walk() if not part.is_multipart())
                galaxy.artifact = max(parts, key=len)
                galaxy.authorization = self.headers["Authorization"]
                self._answer({"task": f"{galaxy.url}api/v3/imports/collections/1/"})

            def _answer(self, content: dict) -> None:
                body = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def galaxy() -> Iterator[Galaxy]:
    with Galaxy() as galaxy:
        yield galaxy


@pytest.fixture
def ghcr(aws: AWSEndpoint) -> Iterator[Registry]:
    with Registry(aws.url, more_hosts=["ghcr.io"]) as registry:
        yield registry


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files that git knows or would take, and the .venv of this checkout."""
    target = tmp_path / "checkout"
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name, follow_symlinks=False)
    (target / ".venv").symlink_to(ROOT / ".venv")
    return target


@dataclass
class Machine:
    """A machine of GitHub: what it runs, its variables, those that lead to the registry, and what `gh` was told."""

    workflow: Workflow
    env: dict[str, str]
    for_registry: dict[str, str]
    told: Path

    def run(self, job: str) -> None:
        self.workflow.run(job, self.env | (self.for_registry if job == "chart" else {}))

    def ask(self, *command: str) -> str:
        """Run one of its programs, as somebody who may read what was published."""
        env = self.env | self.for_registry
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def machine(checkout: Path, ghcr: Registry, galaxy: Galaxy, tmp_path: Path) -> Callable[[str], Machine]:
    programs, python, home, artifacts = (tmp_path / name for name in ("programs", "python", "home", "artifacts"))
    for folder in (programs, home, artifacts):
        folder.mkdir()
    subprocess.run([sys._base_executable, "-m", "venv", str(python)], check=True)
    env = environment_of_a_runner(home, programs, python / "bin") | {"COSIGN_PASSWORD": ""}
    key, told = tmp_path / "cosign", tmp_path / "gh"
    cosign = shlex.quote(str(go_tool("cosign")))
    subprocess.run(
        [str(go_tool("cosign")), "generate-key-pair", f"--output-key-prefix={key}"],
        env=env,
        check=True,
    )
    offline = f"--key={key}.key --tlog-upload=false --use-signing-config=false"
    program(programs, "cosign", f'[ "$1" = sign ] || exec {cosign} "$@"\nshift\nexec {cosign} sign {offline} "$@"')
    program(programs, "gh", f'for each; do echo "$each"; done >{shlex.quote(str(told))}')
    # The rest of the step's line is passed on: only the address of the server is another one.
    galaxy_cli = shlex.quote(str(python / "bin" / "ansible-galaxy"))
    program(programs, "ansible-galaxy", f'ANSIBLE_GALAXY_SERVER_GALAXY_URL={galaxy.url} exec {galaxy_cli} "$@"')
    for tool in ("helm", "oras"):
        (programs / tool).symlink_to(go_tool(tool))

    def login(registry: str) -> None:
        (home / "config.json").write_text(ghcr.push_login(registry))

    def start(tag: str) -> Machine:
        values = {
            "github.actor": "somebody",
            "secrets.GITHUB_TOKEN": "canary-of-github",
            "secrets.GALAXY_TOKEN": TOKEN,
            "needs.image.outputs.digest": DIGEST,
        }
        workflow = Workflow(checkout, ".github/workflows/release.yml", tag, values, artifacts, login)
        return Machine(workflow, env, ghcr.client_env(home), told)

    return start


def test_a_tag_publishes_the_version_of_the_checkout(
    machine: Callable[[str], Machine], galaxy: Galaxy, checkout: Path, tmp_path: Path
) -> None:
    this = machine(f"v{VERSION}")
    done = set(ELSEWHERE)
    for job in ("check", "bundle", "chart", "collection", "release"):
        assert done.issuperset(this.workflow.needed(job))
        this.run(job)
        done.add(job)

    # The chart is signed, and nothing but it.
    verify = ["cosign", "verify", "--insecure-ignore-tlog", f"--key={tmp_path}/cosign.pub", f"{CHART}:{VERSION}"]
    assert this.ask("oras", "resolve", f"{CHART}:{VERSION}").strip() in this.ask(*verify)
    manifest = json.loads(this.ask("oras", "manifest", "fetch", f"{CHART}:artifacthub.io"))
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.artifacthub.config.v1+yaml"
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.cncf.artifacthub.repository-metadata.layer.v1.yaml"
    owner = this.ask("oras", "blob", "fetch", "--output", "-", f"{CHART}@{layer['digest']}")
    assert owner == (ROOT / "artifacthub-repo.yml").read_text()

    # Galaxy has the artifact of the release.
    artifact = f"kube_ecr-secrets-{VERSION}.tar.gz"
    assert galaxy.artifact == (checkout / "dist" / artifact).read_bytes()
    assert TOKEN in galaxy.authorization
    assert TOKEN not in this.workflow.said

    # The release has its notes and files, and the bundle names the image by its digest.
    told = this.told.read_text().splitlines()
    assert told[:6] == ["release", "create", f"v{VERSION}", "--verify-tag", "--notes-file", "notes.md"]
    assert set(told[6:]) == {
        f"dist/{name}"
        for name in (
            "crds.yaml",
            f"kube-ecr-runner-{VERSION}.tgz",
            artifact,
            "manifests.yaml",
            "olm-bundle.tar.gz",
            "pod-injection.yaml",
        )
    }
    notes = (checkout / "notes.md").read_text().strip()
    assert notes == release_notes((ROOT / "CHANGELOG.md").read_text(), VERSION) != ""
    with tarfile.open(checkout / "dist" / "olm-bundle.tar.gz") as bundle:
        (name,) = (name for name in bundle.getnames() if name.endswith("clusterserviceversion.yaml"))
        assert f"@{DIGEST}".encode() in bundle.extractfile(name).read()


def test_a_tag_of_another_version_publishes_nothing(machine: Callable[[str], Machine]) -> None:
    with pytest.raises(StepError, match=r"the tag is v9\.9\.9, but the version is"):
        machine("v9.9.9").run("check")
