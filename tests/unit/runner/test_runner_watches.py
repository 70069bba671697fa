"""watches.yaml: what is taken, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from kube_ecr_runner.watches import Watch, WatchesError, load, parse

PATH = Path("/etc/runner/watches.yaml")
HEAD = "- version: v1alpha2\n  group: aws.zakariaamine.com\n  kind: AWSECRImagePullSecret\n"


def test_own_file_watches_all_kinds() -> None:
    path = Path(__file__).parents[3] / "runner" / "watches.yaml"
    assert load(path) == [
        Watch("AWSECRImagePullSecret", "kube_ecr.secrets.reconcile"),
        Watch("ClusterAWSECRImagePullSecret", "kube_ecr.secrets.reconcile"),
        Watch("AWSECRCredential", "kube_ecr.secrets.reconcile"),
    ]


@pytest.mark.parametrize(
    ("written", "playbook"),
    [
        ("kube_ecr.secrets.reconcile", "kube_ecr.secrets.reconcile"),
        ("/opt/site.yml", "/opt/site.yml"),
        ("playbooks/site.yaml", "/etc/runner/playbooks/site.yaml"),
    ],
)
def test_playbook_is_a_name_or_a_file_beside_the_watches(written: str, playbook: str) -> None:
    assert parse(f"{HEAD}  playbook: {written}\n", PATH)[0].playbook == playbook


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "watches.yaml: must be a list"),
        ("{}", "watches.yaml: must be a list"),
        ("- [\n", "watches.yaml: is not valid YAML (line 2)"),
        ("- x\n", "entry 1: must be a mapping with the keys version, group, kind, playbook"),
        (f"{HEAD}  role: x\n", "entry 1: key 'role' is not supported; supported are version, group, kind, playbook"),
        (HEAD, "entry 1: key 'playbook' is missing"),
        (f"{HEAD}  playbook: reconcile\n", "playbook 'reconcile' is neither a file"),
        (f"{HEAD}  playbook: a.b.c\n".replace("v1alpha2", "v1"), "version 'v1' is not supported; supported: v1alpha2"),
        (
            f"{HEAD}  playbook: a.b.c\n".replace("AWSECRImagePullSecret", "AWSECRCredential"),
            "version 'v1alpha2' is not supported; supported: v1alpha1",
        ),
        (f"{HEAD}  playbook: a.b.c\n".replace("AWSECR", "X"), "kind 'XImagePullSecret' is not supported; supported: "),
        (f"{HEAD}  playbook: a.b.c\n{HEAD}  playbook: a.b.c\n", "entry 2: kind AWSECRImagePullSecret was watched"),
        (f"{HEAD}  playbook: a.b.c\n{HEAD}  roles: x\n  playbook: a.b.c\n", "entry 2: key 'roles' is not supported"),
    ],
)
def test_refusal_names_the_entry_and_the_remedy(text: str, message: str) -> None:
    with pytest.raises(WatchesError) as refused:
        parse(text, PATH)
    assert message in str(refused.value)


def test_missing_file_and_missing_playbook_are_told(tmp_path: Path) -> None:
    path = tmp_path / "watches.yaml"
    with pytest.raises(WatchesError, match="cannot be read: No such file"):
        load(path)
    path.write_text(f"{HEAD}  playbook: site.yml\n")
    with pytest.raises(WatchesError, match=r"the playbook .*site\.yml of AWSECRImagePullSecret is not there"):
        load(path)
