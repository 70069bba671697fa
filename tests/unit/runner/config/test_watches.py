"""watches.yaml: what is taken, and what is refused by name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from kube_ecr_runner.config.watches import WatchesEntry, WatchesError, load, parse
from kube_ecr_runner.model.playbook import PlaybookSpec

PATH = Path("/etc/runner/watches.yaml")
HEAD = "- version: v1alpha2\n  group: aws.zakariaamine.com\n  kind: AWSECRImagePullSecret\n"
PLAIN = f"{HEAD}  playbook: a.b.c\n"


def test_own_file_watches_all_kinds() -> None:
    path = Path(__file__).parents[4] / "runner" / "watches.yaml"
    kinds = ["AWSECRImagePullSecret", "ClusterAWSECRImagePullSecret", "AWSECRCredential"]
    assert load(path) == [WatchesEntry(kind, PlaybookSpec("kube_ecr.secrets.reconcile")) for kind in kinds]


@pytest.mark.parametrize(
    ("written", "playbook"),
    [
        ("kube_ecr.secrets.reconcile", "kube_ecr.secrets.reconcile"),
        ("/opt/site.yml", "/opt/site.yml"),
        ("playbooks/site.yaml", "/etc/runner/playbooks/site.yaml"),
    ],
)
def test_playbook_is_a_name_or_a_file_beside_the_watches(written: str, playbook: str) -> None:
    assert parse(f"{HEAD}  playbook: {written}\n", PATH)[0].playbook == PlaybookSpec(playbook)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("reconcilePeriod: 1h30m", {"period": timedelta(minutes=90)}),
        ("reconcilePeriod: 1m0.5s", {"period": timedelta(seconds=60.5)}),
        ("reconcilePeriod: 0s", {}),
        ("reconcilePeriod: 10s", {"period": timedelta(seconds=10)}),
        ("reconcilePeriod: 8760h", {"period": timedelta(days=365)}),
        ("manageStatus: false", {"manages_status": False}),
        ("selector: {matchLabels: {shard: a, tier: ''}}", {"selector": "shard=a,tier="}),
        (
            "selector: {matchExpressions: [{key: a/b, operator: NotIn, values: [x, y]}, {key: c, operator: Exists}]}",
            {"selector": "a/b notin (x,y),c"},
        ),
        (
            "selector: {matchExpressions: [{key: a, operator: DoesNotExist}, {key: b, operator: In, values: [z]}]}",
            {"selector": "!a,b=z"},
        ),
        (
            "vars: {b: '{{ 1 }}', a: [1, null]}",
            {"playbook": PlaybookSpec("a.b.c", variables='{"a": [1, null], "b": "{{ 1 }}"}')},
        ),
        ("vars: {}", {}),
    ],
)
def test_further_keys_of_operator_sdk_are_taken(written: str, expected: dict) -> None:
    assert parse(f"{PLAIN}  {written}\n", PATH) == [
        WatchesEntry(**{"kind": "AWSECRImagePullSecret", "playbook": PlaybookSpec("a.b.c"), **expected})
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "watches.yaml: must be a list"),
        ("{}", "watches.yaml: must be a list"),
        ("[]", "watches.yaml: must be a list"),
        ("x", "watches.yaml: must be a list"),
        ("- [\n", "watches.yaml: is not valid YAML (line 2)"),
        ("- x\n", "entry 1: must be a mapping with the keys version, group, kind, playbook"),
        (HEAD, "entry 1: needs one of the keys 'playbook' and 'role', such as playbook: kube_ecr.secrets.reconcile"),
        (f"{PLAIN}  role: x\n", "entry 1: needs one of the keys 'playbook' and 'role', not both"),
        (f"{HEAD}  playbook:\n", "entry 1: key 'playbook' is missing or no text"),
        (f"{HEAD}  role: [x]\n", "entry 1: key 'role' is missing or no text"),
        (f"{HEAD}  playbook: reconcile\n", "entry 1: playbook 'reconcile' is neither a file"),
        (
            PLAIN.replace("group: aws", "group: gcp"),
            "entry 1: group 'gcp.zakariaamine.com' is not supported; supported: aws",
        ),
        (PLAIN.replace("v1alpha2", "v1"), "entry 1: version 'v1' is not supported; supported: v1alpha2"),
        (
            PLAIN.replace("AWSECRImagePullSecret", "AWSECRCredential"),
            "version 'v1alpha2' is not supported; supported: v1alpha1",
        ),
        (
            PLAIN.replace("AWSECR", "X"),
            "entry 1: kind 'XImagePullSecret' is not supported; supported: AWSECRImagePullSecret, Cluster",
        ),
        (PLAIN * 2, "entry 2: kind AWSECRImagePullSecret was watched"),
        (
            f"{PLAIN}{HEAD}  roles: x\n",
            "entry 2: key 'roles' is not supported; supported are version, group, kind, pla",
        ),
        (
            f"{PLAIN}  finalizer: {{name: x}}\n",
            "key 'finalizer' is not supported: a deletion is undone by the playbook",
        ),
        (f"{PLAIN}  maxRunnerArtifacts: 1\n", "key 'maxRunnerArtifacts' is not supported: no artifacts of a run are"),
        (f"{PLAIN}  vars: x\n", "entry 1: vars must be a mapping"),
        (f"{PLAIN}  vars: {{a-b: 1}}\n", "entry 1: vars: 'a-b' is no name of a variable"),
        *(
            (f"{PLAIN}  vars: {{{name}: []}}\n", f"vars: {name!r} is what the playbook itself sets")
            for name in ("pull_secrets", "aws_logins", "reconciled")
        ),
        (f"{PLAIN}  vars: {{day: 2026-01-31}}\n", "vars: 'day' holds something that is no text, number, list or such"),
        (f"{PLAIN}  vars: {{ratio: .nan}}\n", "vars: 'ratio' holds something that is no text, number, list or such"),
        (f"{PLAIN}  reconcilePeriod: 60\n", "entry 1: reconcilePeriod 60 is no length of time such as 1h30m"),
        (f"{PLAIN}  reconcilePeriod: 1d\n", "reconcilePeriod '1d' is no length of time such as 1h30m"),
        (f"{PLAIN}  reconcilePeriod: 1s\n", "reconcilePeriod '1s' must be 0s, or at least 10s and at most 8760h"),
        (f"{PLAIN}  reconcilePeriod: 9000h\n", "reconcilePeriod '9000h' must be 0s, or at least 10s and at most 8760h"),
        (f"{PLAIN}  manageStatus: 'no'\n", "manageStatus must be true or false, without quotes"),
        (
            f"{PLAIN}  selector: tier=x\n",
            "entry 1: selector: must be a label selector: matchLabels, matchExpressions or",
        ),
        (f"{PLAIN}  selector: {{}}\n", "selector: it selects everything"),
        (f"{PLAIN}  selector: {{matchLabel: {{}}}}\n", "selector: 'matchLabel' is no part of a label selector"),
        (
            f"{PLAIN}  selector: {{matchLabels: {{a: 1}}}}\n",
            "selector.matchLabels: a: 1 is no text; put it in quotes",
        ),
        (f"{PLAIN}  selector: {{matchLabels: {{a: 'b,c'}}}}\n", "a: 'b,c' cannot be the value of a label"),
        (f"{PLAIN}  selector: {{matchLabels: {{'a b': c}}}}\n", "matchLabels: 'a b' cannot be the key of a label"),
        (
            f"{PLAIN}  selector: {{matchExpressions: [{{key: a, operator: In}}]}}\n",
            "selector.matchExpressions: a: operator In needs a list of values",
        ),
        (
            f"{PLAIN}  selector: {{matchExpressions: [{{key: a, operator: Exists, values: [b]}}]}}\n",
            "selector.matchExpressions: a: operator Exists takes no values",
        ),
        (
            f"{PLAIN}  selector: {{matchExpressions: [{{key: a, operator: Is}}]}}\n",
            "selector.matchExpressions: a: operator 'Is' is none of In, NotIn, Exists, DoesNotExist",
        ),
    ],
)
def test_refusal_names_the_entry_and_the_remedy(text: str, message: str) -> None:
    with pytest.raises(WatchesError) as refused:
        parse(text, PATH)
    assert message in str(refused.value)


def test_text_that_has_no_lines_is_refused_without_one() -> None:
    with pytest.raises(WatchesError, match=r"^watches\.yaml: is not valid YAML$"):
        parse("\0", PATH)


def test_missing_file_and_missing_playbook_are_told(tmp_path: Path) -> None:
    path = tmp_path / "watches.yaml"
    with pytest.raises(WatchesError, match="cannot be read: No such file"):
        load(path)
    path.write_bytes(b"- \xff")
    with pytest.raises(WatchesError, match="cannot be read: it is no text"):
        load(path)
    path.write_text(f"{HEAD}  playbook: site.yml\n")
    missing = f"^{path}: the playbook {tmp_path}/site.yml of AWSECRImagePullSecret is not there"
    with pytest.raises(WatchesError, match=missing):
        load(path)


@pytest.mark.parametrize("place", ["extra", "roles/extra", "/opt/{tmp}/extra"])
def test_role_is_a_name_or_a_folder_that_is_there(tmp_path: Path, place: str) -> None:
    path = tmp_path / "watches.yaml"
    path.write_text(f"{HEAD}  role: x.y.z\n  vars: {{a: 1}}\n")
    assert load(path)[0].playbook == PlaybookSpec("kube_ecr.secrets.reconcile", "x.y.z", '{"a": 1}')
    folder = tmp_path / place.lstrip("/")
    written = str(folder) if place.startswith("/") else "extra"
    path.write_text(f"{HEAD}  role: {written}\n")
    with pytest.raises(WatchesError, match=r"the role .*extra of AWSECRImagePullSecret is not there"):
        load(path)
    folder.mkdir(parents=True)
    lacking = "is not there" if place == "roles/extra" else "has no folder tasks"
    with pytest.raises(WatchesError, match=f"the role .*extra of AWSECRImagePullSecret {lacking}"):
        load(path)
    (folder / "tasks").mkdir()
    assert load(path)[0].playbook.role == str(folder)
