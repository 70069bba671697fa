"""Those who read pull secrets, run for real on one: libraries (`go/consumers`), crane, helm and docker-py."""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from docker import auth

from tests.support.harness.helm import run_helm
from tests.support.harness.tools import go_tool
from tests.support.registry.server import ClientError, Registry

_SECONDS = 60.0
CRANE, HELM, DOCKER_PY = "crane", "helm", "docker-py"


def pull_with(registry: Registry, secret: dict, host: str, image: str, chart: str) -> dict[str, str]:
    """Return, by consumer, why it could not pull with a Secret as the API server holds it; empty where it could.

    helm pulls the chart HOST/charts/CHART, the others all of HOST/IMAGE. docker-py has no client of its own: it hands
    the login that it found to the daemon, here to crane. Raises ClientError.
    """
    config = base64.b64decode(secret["data"][".dockerconfigjson"]).decode()
    with tempfile.TemporaryDirectory() as directory:
        asked = json.dumps({"image": f"{host}/{image}", "secret": secret})
        answered = registry.run_client([str(go_tool("consumers")), "pull"], config, Path(directory), asked)
        login = _found_by_docker_py(Path(directory, "config.json"), host)
    return {
        **json.loads(answered),
        CRANE: _error(lambda: registry.pull(host, image, config)),
        HELM: _error(lambda: registry.pull_chart(host, chart, config)),
        DOCKER_PY: _error(lambda: registry.pull(host, image, json.dumps({"auths": {host: login}}))),
    }


def versions() -> dict[str, str]:
    """Return the version of each consumer; kubelet's is that of Kubernetes, and crane's that of its library."""
    found = json.loads(_run("versions"))
    helm = run_helm("version", "--template={{.Version}}")
    return {**found, CRANE: found["go-containerregistry"], HELM: helm, DOCKER_PY: metadata.version("docker")}


def refusals_of_kubelet(configs: Sequence[str]) -> list[str]:
    """Return why kubelet refuses a Secret with each of these docker configs, empty where it does not."""
    return json.loads(_run("refuse", json.dumps(configs)))


def _run(command: str, stdin: str = "") -> str:
    done = subprocess.run(
        [str(go_tool("consumers")), command], input=stdin, capture_output=True, text=True, timeout=_SECONDS, check=True
    )
    return done.stdout


def _found_by_docker_py(file: Path, host: str) -> dict:
    found = auth.load_config(str(file)).resolve_authconfig(host) or {}
    return {name: found[name] for name in ("username", "password") if name in found}


def _error(pull: Callable[[], str]) -> str:
    try:
        pull()
    except ClientError as error:
        return str(error)
    return ""
