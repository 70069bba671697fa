"""What an earlier resource of the same name put into objects of others counts as its successor's own."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.ownership import SharedEntry, shared_annotation
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import image_pull_secrets, merge
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.shared_entries import entries_for
from tests.support.cluster.stored_secrets import (
    DESIRED,
    GROUP,
    HOST,
    OWNER,
    PUBLIC,
    foreign_secret,
    granted,
    patched,
    shared_secret,
)

NAME, NEW = str(OWNER), "uid-new"


def named(*names: str, resource: str = NAME, created: bool = False) -> dict:
    return replace(SharedEntry(names, created=created), resource=resource).as_dict() | {"created": created}


@pytest.mark.parametrize(
    ("entries", "resource", "uids", "names"),
    [
        pytest.param({"uid-1": named("a")}, NAME, {NEW}, {"a"}, id="an earlier one's"),
        pytest.param({NEW: named("a"), "uid-1": named("b")}, NAME, {NEW}, {"a", "b"}, id="its own, too"),
        pytest.param({"uid-0": named("a"), "uid-1": named("b")}, NAME, {NEW}, {"a", "b"}, id="of two"),
        pytest.param({"uid-2": named("a", resource="K/other")}, NAME, {"uid-2"}, set(), id="another's"),
        pytest.param({"uid-2": {"names": ["a"]}, "uid-3": 5}, NAME, {"uid-2", "uid-3"}, set(), id="nobody knows whose"),
        pytest.param({"playbook": named("a", resource="")}, "", {"playbook"}, set(), id="playbooks have no name"),
    ],
)
def test_entries_of_an_earlier_resource_are_its_own(
    entries: dict, resource: str, uids: set[str], names: set[str]
) -> None:
    place = {"namespace": "a", "name": "x"}
    metadata = {**place, "annotations": {f"{GROUP}/shared": shared_annotation(place, entries)}}
    found = entries_for(metadata, NEW, resource)
    assert found.keys() == uids
    assert set(SharedEntry.from_dict(found.get(NEW)).names) == names


def test_a_successor_takes_out_what_was_merged_in_before_it() -> None:
    """The login that it does not want any more, too; that of somebody stays."""
    before = shared_secret(granted(HOST, PUBLIC))
    entry = merge.entry_of(granted(HOST), DESIRED.identity, NAME)
    after = patched(before, merge.merge_patch(before, NEW, granted(HOST).config, entry))
    assert entries_for(after["metadata"], NEW, "").keys() == {NEW}
    assert set(merge.docker_config.logins(merge.docker_config.stored(after["data"]))) == {"ghcr.io", HOST}
    left = patched(before, merge.unmerge_patch(before, NEW, NAME))
    assert json.loads(merge.docker_config.stored(left["data"])) == json.loads(
        merge.docker_config.stored(foreign_secret()["data"])
    )
    assert merge.unmerge_patch(before, NEW, "ClusterAWSECRImagePullSecret/other") is None


def test_a_successor_takes_over_the_entry_in_a_service_account() -> None:
    account = {"metadata": {"namespace": "a", "name": "default", "resourceVersion": "7"}, "imagePullSecrets": []}
    before = patched(account, image_pull_secrets.add_patch(account, "uid-1", "ecr-login", NAME))
    after = patched(before, image_pull_secrets.add_patch(before, NEW, "ecr-login", NAME))
    assert after["imagePullSecrets"] == [{"name": "ecr-login"}]
    assert entries_for(after["metadata"], NEW).keys() == {NEW}
    gone = patched(before, image_pull_secrets.remove_patch(before, NEW, NAME))
    assert "imagePullSecrets" not in gone
    assert f"{GROUP}/shared" not in gone["metadata"]["annotations"]
