"""What ansible-builder makes of the collection, and a run in it, as AWX and ansible-navigator do it.

ansible-runner starts podman, and podman the image.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ansible_runner
import pytest
import yaml

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import Cluster
from tests.support.harness.ansible import COLLECTIONS
from tests.support.node.execution_environment import build
from tests.support.node.images import remove_image, storage

ROOT = Path(__file__).parents[2]
HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
# The files of the run are root's here. Without root, podman would make the user of the image one who may read them.
AS_ROOT = ("--user=0",)
# No more than a process in a container may have that itself has no right to raise its limits.
LIMITS = ("--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096")


def test_what_ansible_builder_reads_is_what_the_collection_needs() -> None:
    command = [str(Path(sys.executable).parent / "ansible-builder"), "introspect", str(COLLECTIONS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = yaml.safe_load(done.stdout)["python"]
    ours = {text.partition("  #")[0] for text in found if text.endswith("from collection kube_ecr.secrets")}
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert ours == {line for line in lines if line and not line.startswith("#")}


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of the image, which podman finds where buildah put it."""
    root, run_root = storage()
    settings = tmp_path / "storage.conf"
    settings.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{root}"\nrunroot = "{run_root}"\n')
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(settings))
    name = build()
    yield name
    remove_image(name)


def test_it_serves_a_custom_resource(
    image: str, cluster: Cluster, aws: AWSEndpoint, principal: Principal, tmp_path: Path
) -> None:
    (namespace,) = cluster.namespaces("team-a")
    cluster.apply(
        {
            "apiVersion": "aws.zakariaamine.com/v1alpha2",
            "kind": "AWSECRImagePullSecret",
            "metadata": {"name": "app", "namespace": namespace},
            "spec": {
                "secretName": "ecr-login",
                "awsAccess": {
                    "region": "eu-west-1",
                    "accessKeyId": principal.access_key,
                    "secretAccessKey": principal.secret_key,
                },
            },
        }
    )
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "ecr.yml").write_text(json.dumps({"plugin": "kube_ecr.secrets.pull_secrets"}))
    (tmp_path / "kubeconfig").write_bytes(Path(cluster.kubeconfig).read_bytes())
    done = ansible_runner.run(
        private_data_dir=str(tmp_path),
        playbook="kube_ecr.secrets.reconcile",
        envvars={"K8S_AUTH_KUBECONFIG": "/runner/kubeconfig", "KUBE_ECR_AWS_ENDPOINT_URL": aws.url},
        process_isolation=True,
        process_isolation_executable="podman",
        container_image=image,
        container_options=["--runtime=runc", "--network=host", *AS_ROOT, *LIMITS],
        quiet=True,
    )
    with done.stdout as file:
        said = file.read()
    assert done.status == "successful", said
    assert cluster.config(namespace)["auths"].keys() == {HOST}
    assert principal.secret_key not in said
