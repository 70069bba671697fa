"""The manifests of docs/examples/gitops, taken by a real API server with the definitions of Flux and Argo CD.

The definitions come with the controllers' Go modules, which Go fetches once.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster.objects import Cluster
from tests.support.harness.gitops import EXAMPLES, example

# Modules that Go 1.26 takes, and where they have definitions. helm-controller is not among those that can be fetched.
DEFINITIONS = {
    "github.com/argoproj/argo-cd/v3@v3.5.7": "manifests/crds/application-crd.yaml",
    "github.com/fluxcd/kustomize-controller@v1.9.6": "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",
    "github.com/fluxcd/source-controller@v1.9.6": "config/crd/bases/source.toolkit.fluxcd.io_ocirepositories.yaml",
}
WITHOUT_DEFINITION = {"HelmRelease"}


def definition(module: str) -> Path:
    done = subprocess.run(["go", "mod", "download", "-json", module], capture_output=True, text=True, check=True)
    return Path(json.loads(done.stdout)["Dir"], DEFINITIONS[module])


@pytest.fixture
def with_definitions(cluster: Cluster) -> Iterator[Cluster]:
    files = [f"--filename={definition(module)}" for module in DEFINITIONS]
    cluster.kubectl("apply", "--server-side", *files)
    cluster.kubectl("wait", "--for=condition=Established", *files, "--timeout=30s")
    for namespace in ("argocd", "flux-system", "kube-ecr"):
        cluster.make_namespace(namespace)
    yield cluster
    cluster.kubectl("delete", *files)


def test_the_api_server_takes_the_manifests(with_definitions: Cluster) -> None:
    paths = sorted(EXAMPLES.rglob("*.yaml"))
    objects = [each for path in paths for each in example(str(path.relative_to(EXAMPLES)))]
    known = [each for each in objects if each["kind"] not in WITHOUT_DEFINITION]
    assert {each["kind"] for each in known} >= {"Application", "Kustomization", "OCIRepository", "ConfigMap"}
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": known})
    options = ["--server-side", "--dry-run=server", "--validate=strict", "-o", "name"]
    assert len(with_definitions.kubectl("apply", *options, "-f", "-", stdin=text).split()) == len(known)
