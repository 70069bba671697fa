"""What the command refuses before it begins, and what it makes of its options."""

from __future__ import annotations

from pathlib import Path

import pytest

from kube_ecr_runner import cli
from kube_ecr_runner.config.options import parse
from kube_ecr_runner.config.watches import Watch
from kube_ecr_runner.model.playbook import Play

OPTION, VARIABLE = "--allowed-aws-identities", "KUBE_ECR_ALLOWED_AWS_IDENTITIES"


@pytest.fixture
def watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the one option that is required, in an environment that says nothing of AWS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONTAINER_AUTHORIZATION_TOKEN", VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", "/tmp")
    return ["--watches", str(tmp_path / "watches.yaml")]


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("", ()),
        (" , ", ()),
        ("runner", ("runner",)),
        (
            "arn:aws:iam::111122223333:role/ecr-*, runner,,runner,*:role/x,*",
            ("arn:aws:iam::111122223333:role/ecr-*", "runner", "*:role/x", "*"),
        ),
    ],
)
def test_allowed_identities_come_from_option_or_environment(
    watches: list[str], monkeypatch: pytest.MonkeyPatch, text: str, patterns: tuple[str, ...]
) -> None:
    assert parse([*watches, OPTION, text]).allowed_aws_identities == patterns
    monkeypatch.setenv(VARIABLE, text)
    assert parse(watches).allowed_aws_identities == patterns


def test_watches_come_from_option_or_environment(watches: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse([])
    monkeypatch.setenv("KUBE_ECR_WATCHES", "/etc/watches.yaml")
    assert parse([]).watches == Path("/etc/watches.yaml")
    assert parse(watches).watches == Path(watches[1])


@pytest.mark.parametrize("entry", ["Runner", "ecr-pull", "role/x*", "111122223333", "arn:a arn:b", "?rn:*"])
def test_entry_that_matches_nothing_is_refused_by_name(
    watches: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], entry: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main([*watches, OPTION, f"runner,{entry}"])
    monkeypatch.setenv(VARIABLE, entry)
    with pytest.raises(SystemExit, match="2"):
        cli.main(watches)
    assert capsys.readouterr().err.count(f"{OPTION}: '{entry}' matches no AWS identity") == 2


@pytest.mark.parametrize(
    ("option", "variable", "words"),
    [
        ("--log-level", "KUBE_ECR_LOG_LEVEL", "is not one of debug, info, warning, error"),
        ("--log-format", "KUBE_ECR_LOG_FORMAT", "is not one of text, json"),
        ("--listen-address", "KUBE_ECR_LISTEN_ADDRESS", "is no address to listen on; give :8080"),
    ],
)
def test_word_that_is_none_is_refused_wherever_it_stands(
    watches: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
    variable: str,
    words: str,
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main([*watches, option, "loud"])
    monkeypatch.setenv(variable, "loud")
    with pytest.raises(SystemExit, match="2"):
        cli.main(watches)
    assert capsys.readouterr().err.count(f"argument {option}: 'loud' {words}") == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--namespaces", "team-a,Team"], "--namespaces: 'Team' is no name of a namespace"),
        (["--namespaces", ""], "--namespaces: '' is no name of a namespace"),
        (["--namespaces", "team-*"], "--namespaces: 'team-*' is no name of a namespace"),
        (["--selector", "tier is x"], "--selector: 'tier is x' is no condition on a label, such as tier=production"),
    ],
)
def test_selection_that_selects_nothing_or_all_by_mistake_is_refused(
    watches: list[str], capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main([*watches, *options])
    assert words in capsys.readouterr().err


def test_in_namespaces_cluster_resources_are_not_served(watches: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    entry = "{version: v1alpha2, group: aws.zakariaamine.com, playbook: a.b.c, kind: %s}"
    options = parse([*watches, "--namespaces", "b, a,b", "--selector", "x=y"])
    assert options.namespaces == ("b", "a")
    both = [Watch("AWSECRImagePullSecret", Play(), selector="s"), Watch("ClusterAWSECRImagePullSecret", Play())]
    picked = cli._picked(both, options)
    assert picked == both[:1]
    assert [(each.namespace, each.labels) for each in cli._sources(picked, options)] == [("b", "s,x=y"), ("a", "s,x=y")]
    Path(watches[1]).write_text(f"- {entry % 'ClusterAWSECRImagePullSecret'}")
    assert cli.main([*watches, "--namespaces", "a"]) == 2
    assert "has no entry for AWSECRImagePullSecret, but --namespaces picks just those" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_key_pair_in_the_environment_is_refused_by_name(
    watches: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv(name, "CANARY")
    assert cli.main(watches) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"kube-ecr-runner: {name} is set, but ")
    assert "CANARY" not in told
