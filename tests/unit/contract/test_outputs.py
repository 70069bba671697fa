"""Outputs: which Secrets the entries of spec.outputs, or of the option outputs, stand for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.errors import ResourceError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.login_request import LoginRequest
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.outputs import (
    Output,
    parse_outputs,
    secrets_of,
    spec_outputs,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.targets import Names

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
OTHER = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
OWN = LoginRequest(None, "eu-west-1")
BOTH = (LoginRequest(OTHER, None), LoginRequest(HOST, None))
LOGIN = {"username": "AWS", "password": "$(host)", "host": HOST, "auth": "YTpi", "expiry": "2026-01-31T12:00:00Z"}
LABEL = "argocd.argoproj.io/secret-type"


def parsed(entry: dict[str, Any], requests: tuple[LoginRequest, ...] = (OWN,)) -> tuple[Output, ...]:
    return parse_outputs(spec_outputs({"outputs": [entry]}), requests, "ecr-login")


def test_basic_auth_is_the_first_login_or_that_of_a_registry() -> None:
    (output,) = parsed({"name": "basic", "type": "BasicAuth"}, BOTH)
    assert (output.secret_type, output.request, output.namespaces) == ("kubernetes.io/basic-auth", BOTH[0], None)
    assert output.data(LOGIN) == {"username": "AWS", "password": "$(host)"}
    (output,) = parsed({"name": "basic", "type": "BasicAuth", "registry": HOST, "namespaces": ["a", "b-*"]}, BOTH)
    assert (output.request, output.namespaces) == (BOTH[1], Names(("a",), ("b-*",)))


@pytest.mark.parametrize(
    ("kind", "label", "more"),
    [
        ("ArgoCDRepository", "repository", [{"name": "ecr"}, {"name": "ecr-2"}]),
        ("ArgoCDRepositoryCredentials", "repo-creds", [{}, {}]),
    ],
)
def test_argo_cd_has_a_secret_for_each_url_by_whose_form_it_has_a_type(
    kind: str, label: str, more: list[dict[str, str]]
) -> None:
    urls = [HOST, f"oci://{HOST}/team/app"]
    entry = {"name": "ecr", "type": kind, "urls": urls, "project": "web", "secretTemplate": {"labels": {"team": "a"}}}
    outputs = parsed(entry)
    login = {"username": "AWS", "password": "$(host)", "project": "web"}
    assert [output.data(LOGIN) for output in outputs] == [
        {**login, "url": HOST, "type": "helm", "enableOCI": "true", **more[0]},
        {**login, "url": urls[1], "type": "oci", **more[1]},
    ]
    assert [output.name for output in outputs] == ["ecr", "ecr-2"]
    assert {(output.secret_type, output.request, output.host) for output in outputs} == {("Opaque", OWN, HOST)}
    assert outputs[0].labels == {"team": "a", LABEL: label}


def test_placeholders_are_replaced_once_and_nothing_else_has_a_meaning() -> None:
    text = "$(username):$(password) $(auth)$(expiry) $HOME ${HOME} {{ x }} $$ $ (host)"
    entry = {"name": "x", "type": "Template", "data": {"a": text, ".b": ""}, "secretType": "example.com/x"}
    (output,) = parsed({**entry, "secretTemplate": {"labels": {"team": "a"}, "annotations": {"note": "a b"}}})
    assert (output.labels, output.annotations) == ({"team": "a"}, {"note": "a b"})
    assert output.data(LOGIN) == {
        "a": "AWS:$(host) YTpi2026-01-31T12:00:00Z $HOME ${HOME} {{ x }} $$ $ (host)",
        ".b": "",
    }
    assert output.secret_type == "example.com/x"


def test_the_annotation_names_the_keys_and_tells_another_output_apart() -> None:
    entry = {"name": "x", "type": "Template", "data": {"b": "$(auth)", "a": ""}}
    (output,), (same,) = parsed(entry), parsed(entry)
    note = json.loads(output.note)
    assert (note["type"], note["keys"], output.note) == ("Template", ["a", "b"], same.note)
    changes: list[dict[str, Any]] = [{"data": {"b": "$(host)", "a": ""}}, {"secretType": "example.com/x"}]
    others = {parsed({**entry, **change})[0].note for change in changes}
    assert len(others | {output.note, parsed(entry, BOTH)[0].note}) == 4


TEMPLATE = {"name": "x", "type": "Template", "data": {"a": ""}}
ARGO_CD = {"name": "x", "type": "ArgoCDRepository", "urls": [f"{HOST}/a"]}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ("x", r"^spec.outputs: must be a list of outputs"),
        (["x"], r"^spec.outputs: must be a list of outputs"),
        ([{"type": "BasicAuth"}], r"^spec.outputs.name: None is not a valid Secret name"),
        ([{"name": "x"}], r"^spec.outputs\[x\].type: None is none of ArgoCDRepository, "),
        ([{**TEMPLATE, "keys": 1}], r"^spec.outputs\[x\].keys: is no field of an output"),
        ([{**TEMPLATE, "urls": []}], r"^spec.outputs\[x\].urls: is not for Template, but for ArgoCDRepository and "),
        (
            [{"name": "x", "type": "BasicAuth", "secretType": "y"}],
            r"x\].secretType: is not for BasicAuth, but for Temp",
        ),
        ([{**ARGO_CD, "registry": HOST}], r"x\].registry: is not for ArgoCDRepository, but for BasicAuth and Template"),
        ([{**ARGO_CD, "urls": []}], r"x\].urls: is missing; ArgoCDRepository needs it"),
        ([{**ARGO_CD, "urls": [f"https://{HOST}"]}], r"x\].urls: 'https.* is not the URL of a repository"),
        ([{**ARGO_CD, "urls": [f"{HOST}/a/"]}], r"x\].urls: .* is not the URL of a repository"),
        ([{**ARGO_CD, "urls": [7]}], r"x\].urls: 7 is not the URL of a repository"),
        ([{**ARGO_CD, "urls": HOST}], r"x\].urls: must be a list"),
        ([{**ARGO_CD, "urls": ["ghcr.io/a"]}], r"x\].urls: there is no login for ghcr.io; list it in spec.registries"),
        ([{**ARGO_CD, "urls": [f"{OTHER}/a"]}], r"x\].urls: there is no login for .*us-east-1"),
        ([{**ARGO_CD, "project": "A B"}], r"x\].project: 'A B' is not the name of a project"),
        ([{**ARGO_CD, "secretTemplate": {"labels": {LABEL: "x"}}}], r"x\].secretTemplate.labels: .* follows from the"),
        ([{"name": "x", "type": "BasicAuth", "registry": "ghcr.io"}], r"x\].registry: there is no login for ghcr.io"),
        ([{**TEMPLATE, "data": {}}], r"x\].data: is missing; Template needs it"),
        ([{**TEMPLATE, "data": ["a"]}], r"x\].data: must hold texts by key"),
        ([{**TEMPLATE, "data": {"a b": ""}}], r"x\].data: 'a b' cannot be a key of a Secret"),
        ([{**TEMPLATE, "data": {"a": 1}}], r"x\].data.a: is no text; put it in quotes"),
        (
            [{**TEMPLATE, "data": {"a": "$(token)"}}],
            r"x\].data.a: '\$\(token\)' is no placeholder; there are \$\(userna",
        ),
        ([{**TEMPLATE, "data": {"a": "$(password"}}], r"x\].data.a: '\$\(password' is no placeholder"),
        ([{**TEMPLATE, "secretType": "kubernetes.io/tls"}], r"x\].secretType: 'kubernetes.io/tls' cannot be the type"),
        ([{**TEMPLATE, "secretTemplate": {"annotations": {"a b": "x"}}}], r"cannot be one of a Secret's annotations$"),
        ([{**TEMPLATE, "data": {"a": f"$({'x' * 60})"}}], rf"'\$\({'x' * 38}' is no placeholder"),
        (
            [{**TEMPLATE, "data": {"a": "$()"}}],
            r"there are \$\(username\), \$\(password\), \$\(host\), \$\(auth\), \$\(expiry\)$",
        ),
        (
            [{**TEMPLATE, "secretTemplate": {"annotations": {"expiry": "x"}}}],
            r"x\].secretTemplate.annotations: 'expiry' ",
        ),
        ([{**ARGO_CD, "urls": ["a b/c"]}], r"^spec.outputs\[x\].urls: 'a b' is not a registry host"),
        (
            [{**ARGO_CD, "urls": [f"{HOST}/{number}" for number in range(21)]}],
            r"x\].urls: must be a list of 20 URLs at",
        ),
        (
            [{"name": "x", "type": "BasicAuth", "registry": ""}],
            r"^spec.outputs\[x\].registry: '' is not a registry host",
        ),
        ([{**TEMPLATE, "secretTemplate": "x"}], r"x\].secretTemplate.labels: must hold labels"),
        ([{**TEMPLATE, "namespaces": []}], r"x\].namespaces: is empty"),
        ([{**TEMPLATE, "namespaces": ["A"]}], r"x\].namespaces: 'A' is neither the name of a namespace"),
        ([{**TEMPLATE, "name": "ecr-login"}], r"^spec.outputs: 'ecr-login' is the name of the pull secret too"),
        ([TEMPLATE, TEMPLATE], r"^spec.outputs: 'x' is the name of another output too"),
        ([{**TEMPLATE, "name": f"x{number}"} for number in range(21)], r"^spec.outputs: must not list more than 20"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_field(entries: object, words: str) -> None:
    with pytest.raises(ResourceError, match=words):
        parse_outputs(spec_outputs({"outputs": entries}), (OWN,), "ecr-login")


def test_an_option_is_called_as_it_is_written_and_what_is_not_given_is_none() -> None:
    entry = {"name": "x", "type": "Template", "data": {"a": ""}, "urls": None, "labels": None, "secret_type": "y z"}
    with pytest.raises(ResourceError, match=r"^outputs\[x\].secret_type: 'y z' cannot be the type"):
        parse_outputs([entry], (OWN,), "ecr-login", path="outputs")
    with pytest.raises(ResourceError, match=r"^outputs\[x\].registry: there is no login for a.b; .* of ecr_token$"):
        parse_outputs([{"name": "x", "type": "BasicAuth", "registry": "a.b"}], (OWN,), "ecr-login", path="outputs")
    assert parse_outputs(None, (OWN,), "ecr-login") == ()
    most = [{**TEMPLATE, "name": f"x{number}"} for number in range(20)]
    assert len(parse_outputs(most, (OWN,), "ecr-login")) == 20
    assert len(parsed({**ARGO_CD, "urls": [f"{HOST}/{number}" for number in range(20)]})) == 20


def test_the_runner_knows_the_same_secrets_and_none_of_what_cannot_be_read() -> None:
    template = {"labels": {"team": "a"}, "annotations": {"note": "x"}}
    entries: list[Any] = [
        {"name": "a", "type": "ArgoCDRepository", "urls": [HOST, OTHER], "namespaces": ["argocd", "B"]},
        {"name": "b", "type": "Template", "secretTemplate": template},
        {"name": "B"},
        "c",
        {"name": "d"},
    ]
    label = frozenset({("labels", LABEL)})
    assert list(secrets_of({"outputs": entries})) == [
        ("a", Names(("argocd",)), label),
        ("a-2", Names(("argocd",)), label),
        ("b", None, frozenset({("labels", "team"), ("annotations", "note")})),
        ("d", None, frozenset()),
    ]
    assert list(secrets_of({"outputs": "x"})) == []
