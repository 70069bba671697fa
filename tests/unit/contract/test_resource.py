"""What picks a custom resource, where a reference says that it is, and which labels and annotations it may give."""

from __future__ import annotations

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.errors import ResourceError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.resource import (
    check_template,
    is_selected,
    namespace_in,
    reference,
)

SHARED = {"kind": "ClusterAWSECRImagePullSecret", "metadata": {"name": "shared"}}
APP = {"kind": "AWSECRImagePullSecret", "metadata": {"name": "shared", "namespace": "team-a"}}


@pytest.mark.parametrize(
    ("names", "namespaces", "picked"),
    [
        ([], [], {"shared", "team-a/shared"}),
        (["shared"], [], {"shared", "team-a/shared"}),
        (["team-a/shared"], [], {"team-a/shared"}),
        (["AWSECRImagePullSecret/team-a/shared"], [], {"team-a/shared"}),
        (["ClusterAWSECRImagePullSecret/shared"], [], {"shared"}),
        (["other"], [], set()),
        ([], ["team-a"], {"team-a/shared"}),
        ([], ["team-b"], set()),
        (["shared"], ["team-a"], {"team-a/shared"}),
    ],
)
def test_options_pick_resources(names: list[str], namespaces: list[str], picked: set[str]) -> None:
    found = [each for each in (SHARED, APP) if is_selected(each, names, namespaces)]
    assert {reference(each).partition("/")[2] for each in found} == picked


@pytest.mark.parametrize(("resource", "namespace"), [(SHARED, ""), (APP, "team-a")])
def test_reference_says_in_which_namespace_a_resource_is(resource: dict, namespace: str) -> None:
    assert namespace_in(reference(resource)) == namespace


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (["team"], "must hold labels, a name and a text each"),
        ({"team": "a b"}, "'team' or its value cannot be one of a Secret's labels"),
        ({"app.kubernetes.io/managed-by": "x"}, "'app.kubernetes.io/managed-by' is what kube_ecr.secrets itself uses"),
    ],
)
def test_template_that_cannot_be_is_refused_by_its_field(template: object, words: str) -> None:
    with pytest.raises(ResourceError, match=f"^spec.secretTemplate.labels: {words}"):
        check_template(template, "labels", "spec.secretTemplate.labels")


def test_all_annotations_together_have_a_limit_that_the_definitions_cannot_set() -> None:
    path, most = "spec.secretTemplate.annotations", {f"text-{number}": "x" * 8192 for number in range(4)}
    assert check_template(most, "annotations", path) == most
    with pytest.raises(ResourceError, match=f"^{path}: the values have 32769 characters .* 32768 are allowed; shorten"):
        check_template({**most, "one-more": "x"}, "annotations", path)
