"""Annotations of operator-sdk on a resource: the period counts, and what is ignored is told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kube_ecr_runner.model.resource import Resource
from kube_ecr_runner.model.sdk_annotations import SdkAnnotations

PREFIX = "ansible.sdk.operatorframework.io/"
HOUR = timedelta(hours=1)


def parsed(annotations: object) -> Resource:
    return Resource.parse({"kind": "AWSECRImagePullSecret", "metadata": {"name": "app", "annotations": annotations}})


@pytest.mark.parametrize(
    ("text", "period"),
    [("30s", timedelta(seconds=30)), ("1h30m", timedelta(minutes=90)), ("0s", timedelta(0)), ("0", timedelta(0))],
)
def test_period_goes_before_that_of_the_kind(text: str, period: timedelta) -> None:
    resource = parsed({f"{PREFIX}reconcile-period": text})
    assert (resource.period(HOUR), resource.sdk.warnings) == (period, ())


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ("5 minutes", "'5 minutes' is no length of time such as 1h30m, 90s, or 0s for none"),
        ("", "'' is no length of time"),
        ("-1h", "'-1h' is no length of time"),
        (5, "5 is no length of time"),
        ("1ms", "'1ms' must be 0s, or at least 10s and at most 8760h"),
        ("9e9h", "'9e9h' is no length of time"),
        ("99999999h", "'99999999h' must be 0s, or at least 10s"),
        ("x" * 9000, f"'{'x' * 59} is no length of time"),
    ],
)
def test_period_that_is_none_changes_nothing_and_is_told(value: object, cause: str) -> None:
    resource = parsed({f"{PREFIX}reconcile-period": value})
    assert resource.period(HOUR) == HOUR
    (warning,) = resource.sdk.warnings
    assert warning.startswith(f"annotation {PREFIX}reconcile-period is ignored: {cause}")
    assert warning.endswith("; correct or remove it")


@pytest.mark.parametrize("annotations", [None, "x", {"other": "1"}, {"reconcile-period": "1s"}])
def test_others_say_nothing(annotations: object) -> None:
    assert parsed(annotations).sdk == SdkAnnotations()


def test_annotations_that_set_nothing_here_are_told() -> None:
    warnings = parsed({f"{PREFIX}verbosity": "4", f"{PREFIX}max-runner-artifacts": "9"}).sdk.warnings
    assert [warning.split(" is ignored: ")[0].removeprefix(f"annotation {PREFIX}") for warning in warnings] == [
        "verbosity",
        "max-runner-artifacts",
    ]
    assert "set --ansible-verbosity of the runner" in warnings[0]
