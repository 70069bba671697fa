"""The Secret that is applied: its content, its labels and annotations, and who applies it."""

from __future__ import annotations

import base64
import json

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import Owner
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import docker_config
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.desired import DesiredSecret, empty_manifest
from tests.support.cluster.stored_secrets import DESIRED, GROUP, HOST, OWNER, granted


def test_what_is_written() -> None:
    source = granted()
    manifest = DESIRED.manifest("team-a", source, "42")
    assert (manifest["apiVersion"], manifest["kind"]) == ("v1", "Secret")
    assert manifest["type"] == "kubernetes.io/dockerconfigjson"
    assert base64.b64decode(manifest["data"][".dockerconfigjson"]).decode() == source.config
    assert manifest["metadata"] == {
        "name": "ecr-login",
        "namespace": "team-a",
        "resourceVersion": "42",
        "labels": {
            "team": "a",
            "app.kubernetes.io/managed-by": "kube-ecr-secrets",
            f"{GROUP}/owner": "uid-1",
            # By sha256sum of the name in the annotation.
            f"{GROUP}/resource-digest": "c261593f1ded8fc18fc8c9c4b008ff73",
        },
        "annotations": {
            "note": "x",
            "expiry": "2026-02-01T00:00:00Z",
            f"{GROUP}/renew-after": "2026-01-31T18:00:00Z",
            f"{GROUP}/fingerprint": docker_config.fingerprint(source.config),
            f"{GROUP}/registries": json.dumps([HOST]),
            f"{GROUP}/secret": "team-a/ecr-login",
            f"{GROUP}/identity": "id-1",
            f"{GROUP}/resource": "ClusterAWSECRImagePullSecret/ecr",
        },
        "ownerReferences": [{"apiVersion": OWNER.api_version, "kind": OWNER.kind, "name": "ecr", "uid": "uid-1"}],
    }


def test_without_owner_nothing_says_that_there_is_one() -> None:
    metadata = DesiredSecret("ecr-login", None).manifest("team-a", granted(), None)["metadata"]
    assert "ownerReferences" not in metadata
    assert metadata["labels"] == {"app.kubernetes.io/managed-by": "kube-ecr-secrets"}


def test_each_resource_applies_with_a_manager_of_its_own() -> None:
    """The API server then tells the second one of a conflict; with one manager it would overwrite the first."""
    managers = {DesiredSecret("x", Owner("v1", "K", "", "n", uid, 1)).manager for uid in ("uid-1", "uid-2")}
    assert managers == {"kube-ecr-secrets/uid-1", "kube-ecr-secrets/uid-2"}


def test_whether_a_secret_could_be_made_is_asked_without_any_login() -> None:
    assert empty_manifest("ecr-login", "team-a") == {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "ecr-login", "namespace": "team-a"},
        "stringData": {".dockerconfigjson": '{"auths":{}}'},
    }
