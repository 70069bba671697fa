"""What is kept of a pod that waits for an image, and that nothing is of others."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kube_ecr_runner.model.waiting_pod import MAX_MESSAGE, Owner, WaitingPod, host_of

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
IMAGE = f"{HOST}/team/app:1"
REFUSED = f'failed to pull and unpack image "{IMAGE}": failed to resolve: unexpected status from HEAD: 401 Unauthorized'
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "app-7c9", "uid": "r", "controller": True}


def waiting(reason: str = "ImagePullBackOff", name: str = "app", message: str = REFUSED) -> dict:
    return {"name": name, "image": "", "state": {"waiting": {"reason": reason, "message": message}}}


def pod(status: dict, **metadata: object) -> dict:
    return {
        "metadata": {
            "namespace": "ns1",
            "name": "app-7c9-x",
            "uid": "p",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-31T12:00:00Z",
            "ownerReferences": [OWNER | {"controller": False, "kind": "Other"}, OWNER],
            **metadata,
        },
        "spec": {
            "imagePullSecrets": [{"name": "ecr-login"}, {"name": "other"}],
            "initContainers": [{"name": "first", "image": "init"}],
            "containers": [{"name": "app", "image": IMAGE}, {"name": "side", "image": IMAGE}],
        },
        "status": status,
    }


def test_pod_that_waits_is_kept_with_what_matters() -> None:
    assert WaitingPod.parse(pod({"phase": "Pending", "containerStatuses": [waiting(), waiting(name="side")]})) == (
        WaitingPod(
            "ns1",
            "app-7c9-x",
            "p",
            "7",
            datetime(2026, 1, 31, 12, tzinfo=UTC),
            (IMAGE,),
            REFUSED,
            frozenset({"ecr-login", "other"}),
            Owner("apps/v1", "ReplicaSet", "app-7c9", "r"),
        )
    )


@pytest.mark.parametrize(
    ("status", "images"),
    [
        pytest.param({"containerStatuses": [waiting("ErrImagePull")]}, (IMAGE,), id="after an attempt"),
        pytest.param({"initContainerStatuses": [waiting(name="first")]}, ("init",), id="init container"),
        pytest.param(
            {"ephemeralContainerStatuses": [waiting(name="debug") | {"image": "x/debug"}]}, ("x/debug",), id="ephemeral"
        ),
        pytest.param({"containerStatuses": [waiting("ContainerCreating")]}, (), id="starts"),
        pytest.param({"containerStatuses": [waiting("CrashLoopBackOff")]}, (), id="crashes"),
        pytest.param({"containerStatuses": [waiting("ErrImageNeverPull")]}, (), id="is not to pull"),
        pytest.param({"containerStatuses": [{"name": "app", "state": {"running": {}}}]}, (), id="runs"),
        pytest.param({}, (), id="not scheduled"),
        pytest.param({"containerStatuses": "x", "initContainerStatuses": [None, {"state": 1}]}, (), id="odd"),
    ],
)
def test_images_are_those_that_could_not_be_pulled(status: dict, images: tuple[str, ...]) -> None:
    assert WaitingPod.parse(pod(status)).images == images


@pytest.mark.parametrize(
    "item",
    [
        pod({"containerStatuses": [waiting("ContainerCreating")]}),
        pod({"containerStatuses": [waiting()]}, deletionTimestamp="2026-01-31T12:00:00Z"),
    ],
    ids=["starts", "is being deleted"],
)
def test_of_other_pods_only_the_name_is_kept(item: dict) -> None:
    assert WaitingPod.parse(item) == WaitingPod("ns1", "app-7c9-x", "p", "7")


def test_what_kubelet_says_is_bounded() -> None:
    parsed = WaitingPod.parse(pod({"containerStatuses": [waiting(message="x" * 5000)]}))
    assert len(parsed.message) == MAX_MESSAGE


@pytest.mark.parametrize(
    ("image", "host"),
    [
        (IMAGE, HOST),
        ("localhost:5000/a", "localhost:5000"),
        ("public.ecr.aws/a/b@sha256:0", "public.ecr.aws"),
        ("a", ""),
    ],
)
def test_host_is_what_stands_before_the_first_slash(image: str, host: str) -> None:
    assert host_of(image) == host
    assert WaitingPod("ns", "p", "u", images=(image, image)).hosts == ({host} if host else set())


@pytest.mark.parametrize(
    ("message", "names_cause", "lacks_image"),
    [
        (REFUSED, True, False),
        (f'Back-off pulling image "{IMAGE}"', False, False),
        (f'Back-off pulling image "{IMAGE}": ErrImagePull: {IMAGE}: not found', True, True),
        ("rpc error: code = NotFound desc = failed to pull", True, True),
        ("manifest unknown: Requested image not found", True, True),
        ("name unknown: The repository with name 'x' does not exist in the registry", True, True),
        ("pull access denied, repository does not exist or may require authorization: no basic auth", True, False),
    ],
)
def test_kubelet_may_say_that_there_is_no_such_image(message: str, names_cause: bool, lacks_image: bool) -> None:
    told = WaitingPod("ns", "p", "u", images=(IMAGE,), message=message)
    assert (told.names_cause, told.lacks_image) == (names_cause, lacks_image)
