"""The chart is signed and checked as the release workflow and docs/install.md do it, with a key instead of an identity.

The real cosign, with a real registry. What is left out is Sigstore's: the certificate of an identity (Fulcio) and the
log (Rekor).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.harness.helm import CHART, run_helm
from tests.support.harness.tools import go_tool
from tests.support.registry.server import ClientError, Registry

NAME, PASSWORD = "kube-ecr-runner", "of-a-throw-away-key\n"
OFFLINE = "--tlog-upload=false", "--use-signing-config=false"

Run = Callable[..., str]


@pytest.fixture
def run(registry: Registry, tmp_path: Path) -> Run:
    """Run a client with the login of docker, which is all that the workflow gives them."""
    login = registry.push_login(registry.hosts[0])

    def client(tool: str, *arguments: str) -> str:
        program = registry.client_path if tool == "crane" else go_tool(tool)
        return registry.run_client([str(program), *arguments], login, tmp_path, PASSWORD)

    return client


@pytest.fixture
def publish(registry: Registry, run: Run, tmp_path: Path) -> Callable[[str], str]:
    """Package and push the chart of this checkout as that version; return its reference without a tag."""

    def push(version: str) -> str:
        run_helm("package", str(CHART), f"--version={version}", f"--destination={tmp_path}")
        run("helm", "push", f"{tmp_path}/{NAME}-{version}.tgz", f"oci://{registry.hosts[0]}/charts")
        return f"{registry.hosts[0]}/charts/{NAME}"

    return push


def test_only_what_was_signed_passes(run: Run, publish: Callable[[str], str], tmp_path: Path) -> None:
    chart = publish("9.9.9")
    digest = run("crane", "digest", f"{chart}:9.9.9").strip()
    for pair in ("ours", "theirs"):
        run("cosign", "generate-key-pair", f"--output-key-prefix={tmp_path}/{pair}")
    run("cosign", "sign", "--yes", *OFFLINE, f"--key={tmp_path}/ours.key", f"{chart}@{digest}")

    def verify(version: str, pair: str = "ours") -> str:
        return run("cosign", "verify", "--insecure-ignore-tlog", f"--key={tmp_path}/{pair}.pub", f"{chart}:{version}")

    assert digest in verify("9.9.9")
    with pytest.raises(ClientError, match="accepted signatures do not match"):
        verify("9.9.9", "theirs")
    # Another chart, put under the tag of the signed one, has no signature.
    publish("9.9.8")
    run("crane", "tag", f"{chart}:9.9.8", "9.9.9")
    with pytest.raises(ClientError, match="no signatures found"):
        verify("9.9.9")
