"""watches.yaml: what is taken, and what is refused by name."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from kube_ecr_runner.config.watches import WatchesEntry, WatchesError, load, parse
from kube_ecr_runner.model.playbook import PlaybookSpec

PATH = Path("/etc/runner/watches.yaml")
HEAD = "- version: v1alpha2\n  group: aws.zakariaamine.com\n  kind: AWSECRImagePullSecret\n"
PLAIN = f"{HEAD}  playbook: a.b.c\n"
VAULTED = '{"a": {"__ansible_vault": "$ANSIBLE_VAULT;1.1"}}'
WITHOUT_EFFECT = (
    ("finalizer", "null"),
    ("maxRunnerArtifacts", 20),
    ("maxRunnerArtifacts", 0),
    ("watchDependentResources", "true"),
    ("watchClusterScopedResources", "false"),
    ("watchAnnotationsChanges", "false"),
    ("snakeCaseParameters", "true"),
    ("markUnsafe", "false"),
    ("markUnsafe", "true"),
    ("blacklist", "[]"),
    ("maxConcurrentReconciles", ""),
    ("reconcilePeriod", ""),
    ("manageStatus", "null"),
    ("vars", ""),
    ("selector", ""),
)
# What `operator-sdk init --plugins ansible` and `create api` write, with the group and a kind of the collection.
SCAFFOLD = """\
---
# Use the 'create api' subcommand to add watches to this file.
- version: v1alpha2
  group: aws.zakariaamine.com
  kind: AWSECRImagePullSecret
  role: awsecrimagepullsecret
#+kubebuilder:scaffold:watch
"""


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
        ("ansibleVerbosity: 7", {"playbook": PlaybookSpec("a.b.c", verbosity=7)}),
        ("selector: {}", {}),
        ("vars: {a: !vault '$ANSIBLE_VAULT;1.1'}", {"playbook": PlaybookSpec("a.b.c", variables=VAULTED)}),
        # What operator-sdk takes for its default: it sets nothing here.
        *((f"{key}: {value}", {}) for key, value in WITHOUT_EFFECT),
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
        (
            HEAD,
            "needs one of the keys 'playbook' and 'role', such as playbook: kube_ecr.secrets.reconcile",
        ),
        (
            f"{PLAIN}  role: x\n",
            "entry 1 (AWSECRImagePullSecret): needs one of the keys 'playbook' and 'role', not both",
        ),
        (f"{HEAD}  playbook:\n", "entry 1 (AWSECRImagePullSecret): key 'playbook' is missing or no text"),
        (f"{HEAD}  role: [x]\n", "entry 1 (AWSECRImagePullSecret): key 'role' is missing or no text"),
        (f"{HEAD}  playbook: reconcile\n", "entry 1 (AWSECRImagePullSecret): playbook 'reconcile' is neither a file"),
        (
            PLAIN.replace("group: aws", "group: gcp"),
            "entry 1 (AWSECRImagePullSecret): group 'gcp.zakariaamine.com' is not supported; supported: aws",
        ),
        (
            PLAIN.replace("v1alpha2", "v1"),
            "entry 1 (AWSECRImagePullSecret): version 'v1' is not supported; supported: v1alpha2",
        ),
        (
            PLAIN.replace("AWSECRImagePullSecret", "AWSECRCredential"),
            "version 'v1alpha2' is not supported; supported: v1alpha1",
        ),
        (
            PLAIN.replace("AWSECR", "X"),
            "entry 1: kind 'XImagePullSecret' is not supported; supported: AWSECRImagePullSecret, Cluster",
        ),
        (PLAIN * 2, "entry 2 (AWSECRImagePullSecret): the kind was watched before; remove one"),
        (
            f"{PLAIN}{HEAD}  roles: x\n",
            "entry 2 (AWSECRImagePullSecret): key 'roles' is not supported; supported are version, group, kind, pla",
        ),
        (
            f"{PLAIN}  finalizer: {{name: x, vars: {{key: canary}}}}\n",
            "key 'finalizer' is not supported: a deletion is undone by the playbook itself, whose tasks see it on",
        ),
        (
            f"{PLAIN}  maxRunnerArtifacts: 1\n",
            "'maxRunnerArtifacts' is not supported at 1: no artifacts of a run are kept; remove it or set it to 20",
        ),
        (f"{PLAIN}  snakeCaseParameters: false\n", "'snakeCaseParameters' is not supported at false: resources are in"),
        (f"{PLAIN}  watchDependentResources: false\n", "'watchDependentResources' is not supported at false: Secrets"),
        # In YAML and JSON 1 is not true, though it is in Python.
        (f"{PLAIN}  watchDependentResources: 1\n", "'watchDependentResources' is not supported at 1: Secrets"),
        (f"{PLAIN}  watchClusterScopedResources: true\n", "not supported at true: namespaces are always watched"),
        (f"{PLAIN}  watchAnnotationsChanges: true\n", "not supported at true: only annotations that allow or ask"),
        (
            f"{PLAIN}  markUnsafe: 'no'\n",
            'not supported at "no": text from a resource is never a template; remove it or',
        ),
        (f"{PLAIN}  blacklist: [{{kind: Pod}}]\n", "key 'blacklist' is not supported: only what resources name is"),
        (f"{PLAIN}  maxConcurrentReconciles: 4\n", "not supported at 4: resources share a run; see the option --forks"),
        (f"{PLAIN}  ansibleVerbosity: 8\n", "ansibleVerbosity 8 must be a number from 0 to 7"),
        (f"{PLAIN}  ansibleVerbosity: true\n", "ansibleVerbosity True must be a number from 0 to 7"),
        (f"{PLAIN}  vars: {{a: !vault [x]}}\n", "watches.yaml: is not valid YAML (line 5)"),
        (f"{PLAIN}  vars: {{a: !!python/object:os.x x}}\n", "watches.yaml: is not valid YAML (line 5)"),
        *(
            (f"{PLAIN}  vars: {{a: {value}}}\n", "watches.yaml: is not valid YAML (line 5)")
            for value in (
                "2026-13-45",
                "!!int canary",
                "!!int ''",
                "!!float canary",
                "!!bool canary",
                "!!timestamp canary",
            )
        ),
        (f"{PLAIN}  vars: {'[' * 5000}\n", "watches.yaml: is not valid YAML"),
        (
            f"{PLAIN}  selector: {{matchExpressions: [{{key: ${{K}}, operator: In, values: [a]}}]}}\n",
            "is not valid YAML (line 5); within { } or [ ], ${NAME} has to be in quotes",
        ),
        (f"{PLAIN}  vars: x\n", "entry 1 (AWSECRImagePullSecret): vars must be a mapping"),
        (f"{PLAIN}  vars: {{a-b: 1}}\n", "entry 1 (AWSECRImagePullSecret): vars: 'a-b' is no name of a variable"),
        *(
            (f"{PLAIN}  vars: {{{name}: []}}\n", f"vars: {name!r} is what the playbook itself sets")
            for name in ("pull_secrets", "aws_logins", "reconciled")
        ),
        (f"{PLAIN}  vars: {{day: 2026-01-31}}\n", "vars: 'day' holds something that is no text, number, list or such"),
        (f"{PLAIN}  vars: {{ratio: .nan}}\n", "vars: 'ratio' holds something that is no text, number, list or such"),
        (
            f"{PLAIN}  reconcilePeriod: 60\n",
            "entry 1 (AWSECRImagePullSecret): reconcilePeriod 60 is no length of time such as 1h30m",
        ),
        (f"{PLAIN}  reconcilePeriod: 1d\n", "reconcilePeriod '1d' is no length of time such as 1h30m"),
        (f"{PLAIN}  reconcilePeriod: 1s\n", "reconcilePeriod '1s' must be 0s, or at least 10s and at most 8760h"),
        (f"{PLAIN}  reconcilePeriod: 9000h\n", "reconcilePeriod '9000h' must be 0s, or at least 10s and at most 8760h"),
        (f"{PLAIN}  manageStatus: 'no'\n", "manageStatus must be true or false, without quotes"),
        (
            f"{PLAIN}  selector: tier=x\n",
            "entry 1 (AWSECRImagePullSecret): selector: must be a label selector: matchLabels, matchExpressions or",
        ),
        (f"{PLAIN}  selector: {{matchLabels: {{}}}}\n", "selector: it selects everything"),
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
    assert "canary" not in str(refused.value)


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


@pytest.mark.parametrize("place", ["extra", "roles/extra"])
def test_role_is_looked_for_where_ansible_is_told_to(tmp_path: Path, place: str) -> None:
    path, folder = tmp_path / "watches.yaml", tmp_path / "elsewhere" / place
    path.write_text(f"{HEAD}  role: extra\n")
    (folder / "tasks").mkdir(parents=True)
    with pytest.raises(WatchesError, match="is not there"):
        load(path)
    for text in (f"/none:{tmp_path}/elsewhere", os.path.relpath(tmp_path / "elsewhere")):
        assert Path(load(path, {"ANSIBLE_ROLES_PATH": text})[0].playbook.role).samefile(folder)


def test_file_of_operator_sdk_is_read_as_it_is(tmp_path: Path) -> None:
    role = tmp_path / "roles" / "awsecrimagepullsecret"
    (role / "tasks").mkdir(parents=True)
    (tmp_path / "watches.yaml").write_text(SCAFFOLD)
    assert load(tmp_path / "watches.yaml") == [
        WatchesEntry("AWSECRImagePullSecret", PlaybookSpec("kube_ecr.secrets.reconcile", str(role)))
    ]


@pytest.mark.parametrize(
    ("written", "variable"),
    [
        ("'${NAME}'", "tom"),
        ("x${NAME}y${NAME}", "xtomytom"),
        # Without quotes it is what YAML makes of it, in quotes a text.
        ("${NUMBER}", 5),
        ("'${NUMBER}'", "5"),
        # Nothing that stands in it becomes a part of the file.
        ("${HOSTILE}", "x, b: {{ 1 }} # "),
        ("['${NAME}', {b: &b '${NAME}', c: *b}]", ["tom", {"b": "tom", "c": "tom"}]),
        ("'${UNSET} $NAME ${} ${1}'", "${UNSET} $NAME ${} ${1}"),
        ("{'${NAME}': 1}", {"tom": 1}),
        ("\n      ${NAME}: 1", {"tom": 1}),
    ],
)
def test_variables_of_the_environment_are_put_in(written: str, variable: object) -> None:
    environment = {"NAME": "tom", "NUMBER": "5", "HOSTILE": "x, b: {{ 1 }} # "}
    (entry,) = parse(f"{PLAIN}  vars:\n    a: {written}\n", PATH, environment)
    assert json.loads(entry.playbook.variables) == {"a": variable}


def test_list_that_holds_itself_is_refused() -> None:
    with pytest.raises(WatchesError, match="'a' holds something that is no text"):
        parse(f"{PLAIN}  vars: {{a: &a ['${{NAME}}', *a]}}\n", PATH, {"NAME": "x"})


@pytest.mark.parametrize(
    ("written", "variable", "verbosity"),
    [("", None, 2), ("ansibleVerbosity: 0", None, 0), ("ansibleVerbosity: 3", "5", 5), ("", "", 2)],
)
def test_verbosity_is_that_of_the_variable_of_the_kind_else_of_the_entry_else_of_the_option(
    written: str, variable: str | None, verbosity: int
) -> None:
    name = "ANSIBLE_VERBOSITY_AWSECRIMAGEPULLSECRET_AWS_ZAKARIAAMINE_COM"
    environment = {} if variable is None else {name: variable}
    assert parse(f"{PLAIN}  {written}\n", PATH, environment, 2)[0].playbook.verbosity == verbosity
    for wrong in ("8", "-1", "loud"):
        with pytest.raises(WatchesError, match=f"^{name} .* must be a number from 0 to 7"):
            parse(PLAIN, PATH, {name: wrong})


def test_value_of_the_vault_needs_a_password(tmp_path: Path) -> None:
    path = tmp_path / "watches.yaml"
    path.write_text(f"{PLAIN}  vars: {{a: !vault x}}\n")
    missing = (
        r"vars of AWSECRImagePullSecret hold a value of the vault .* set ANSIBLE_VAULT_PASSWORD_FILE, or --vault-p"
    )
    with pytest.raises(WatchesError, match=missing):
        load(path)
    assert load(path, has_vault_password=True)
