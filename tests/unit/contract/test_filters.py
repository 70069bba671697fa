"""Filters as a person writes them: what is empty is none, what can pick nothing is refused, what picks nothing told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kube_ecr_runner.contract.filters import identities_of, names_of, namespaces_of, selector_of, unpicked

OWN, OTHER, SHARED = "AWSECRImagePullSecret/team-a/app", "AWSECRImagePullSecret/0123/app", "AWSECRCredential/shared"


@pytest.mark.parametrize("parse", [namespaces_of, names_of, identities_of, selector_of])
@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_what_is_empty_counts_as_not_given(parse: Callable[[str], object], text: str) -> None:
    assert not parse(text)


@pytest.mark.parametrize(
    ("parse", "text", "entries"),
    [
        (namespaces_of, " team-a,0123,,team-a ", ("team-a", "0123")),
        (names_of, f"app, 0123/x.y,{OWN},{SHARED}", ("app", "0123/x.y", OWN, SHARED)),
        (identities_of, "runner,arn:aws:iam::*:role/x,*", ("runner", "arn:aws:iam::*:role/x", "*")),
    ],
)
def test_entries_of_a_list(parse: Callable[[str], object], text: str, entries: tuple[str, ...]) -> None:
    assert parse(text) == entries


@pytest.mark.parametrize(
    ("parse", "text", "entry"),
    [
        *((namespaces_of, text, text) for text in ("team-a;team-b", "Team", "team-*", "a b", "a/b")),
        (namespaces_of, "ok,team_a", "team_a"),
        (namespaces_of, " , ", " , "),
        *((names_of, text, text) for text in ("a;b", "team_a/app", "a/b/c", "/a", "a/", "app*", "Kind/a/b")),
        *((names_of, text, text) for text in ("AWSECRImagePullSecret/app", "ClusterAWSECRImagePullSecret/a/b")),
        (identities_of, "ecr-pull", "ecr-pull"),
        (identities_of, "arn:aws:iam::1:role/a;runner b", "arn:aws:iam::1:role/a;runner b"),
    ],
)
def test_what_can_pick_nothing_is_refused_with_the_remedy(
    parse: Callable[[str], object], text: str, entry: str
) -> None:
    with pytest.raises(ValueError, match=r"separated by commas$") as refused:
        parse(text)
    assert str(refused.value).startswith(f"{entry!r} ")


@pytest.mark.parametrize(
    "text",
    ["a=b", "a==b", "a!=b", "a", "!a", "a=", "x.y/a in (b, c)", "a notin (b),c=d , !e", "a>1,b<2", "a in (,b)"],
)
def test_selector_that_kubectl_takes_is_taken(text: str) -> None:
    assert selector_of(f" {text} ") == text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a=b,", "''"),
        (",", "''"),
        ("a=b;c=d", "'a=b;c=d'"),
        ("a in b", "'a in b'"),
        ("a in ()x", "'a in ()x'"),
        ("a = b c", "'a = b c'"),
        ("-a=b,c", "'-a=b'"),
        ("a=b&limit=1", "'a=b&limit=1'"),
        ("a~b", "'a~b'"),
    ],
)
def test_refusal_of_a_selector_names_the_part(text: str, part: str) -> None:
    with pytest.raises(ValueError, match="is no condition on a label, such as ") as refused:
        selector_of(text)
    assert str(refused.value).startswith(f"{part} ")


@pytest.mark.parametrize(
    ("names", "namespaces", "selector", "told"),
    [
        ([], [], "", ""),
        ([], [], "a=b", ""),
        (["app", "team-a/app", OWN, "shared", SHARED], [], "", ""),
        ([], ["team-a", "0123"], "a=b", ""),
        (["ap", "team-b/app"], [], "", "no custom resource is called ap; no custom resource is called team-b/app"),
        ([], ["team-a", "team-x"], "", "namespace team-x holds no custom resource"),
        (["0123/app"], ["team-a"], "", "no custom resource is called 0123/app"),
        (["shared"], ["team-a"], "", "no custom resource is called shared"),
        ([], ["team-x"], "a=b", "namespace team-x holds no custom resource that the label selector 'a=b' picks"),
    ],
)
def test_what_picks_nothing_is_told(names: list[str], namespaces: list[str], selector: str, told: str) -> None:
    assert unpicked([OWN, OTHER, SHARED], names, namespaces, selector) == told


def test_in_a_cluster_without_resources_only_a_filter_lacks_some() -> None:
    assert unpicked([], [], [], "") == ""
    assert unpicked([], [], [], "a=b") == "there is no custom resource that the label selector 'a=b' picks"
