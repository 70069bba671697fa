"""From a result to events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kube_ecr_runner.contract.result import ErrorResult, NamespaceResult, ObjectResult
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.result import Origin, Problem, Result
from kube_ecr_runner.model.sdk_annotations import SdkAnnotations
from kube_ecr_runner.reporting.events import events_of
from kube_ecr_runner.reporting.status import status_of
from tests.unit.runner.reporting.builders import (
    AWS_DOWN,
    CONTESTED,
    DIES,
    DUE,
    FAILED_OBJECTS,
    LACKS_A_LOGIN,
    NOW,
    REFUSED,
    SHADOWED,
    created,
    failed,
    pending,
    resource,
    result,
    unchanged,
)


def events(*outcomes: NamespaceResult, problem: Problem | None = None) -> list[Event]:
    return events_of(resource("a", "b"), result(*outcomes, problem=problem))


@pytest.mark.parametrize(
    ("outcomes", "problem", "expected"),
    [
        (
            (created("a"), created("b"), NamespaceResult("c", "updated", expires_at=DIES)),
            None,
            [
                (
                    "Normal",
                    "SecretCreationSuccess",
                    "Secret ecr-login created in namespaces: a, b; valid until: 2026-02-01T00:00:00Z",
                ),
                (
                    "Normal",
                    "SecretUpdateSuccess",
                    "Secret ecr-login updated in namespaces: c; valid until: 2026-02-01T00:00:00Z",
                ),
            ],
        ),
        (
            (NamespaceResult("a", "created"),),
            None,
            [("Normal", "SecretCreationSuccess", "Secret ecr-login created in namespaces: a")],
        ),
        ((unchanged("a"), pending("b")), None, []),
        ((failed("a", message=""),), None, [("Warning", "UpdateSecretError", "SecretConflict")]),
        (
            (failed("a"), failed("b"), failed("c", "Forbidden", "may not patch")),
            None,
            [
                ("Warning", "UpdateSecretError", "it is not ours (also in namespaces: b)"),
                ("Warning", "CreateSecretError", "may not patch"),
            ],
        ),
        ((failed("a", "Forbidden", "may not", valid=True),), None, [("Warning", "UpdateSecretError", "may not")]),
        (
            (unchanged("a"), failed("b", "Unreachable", AWS_DOWN.message)),
            AWS_DOWN,
            [("Warning", "GetAWSAuthTokenFailed", AWS_DOWN.message)],
        ),
        (
            (created("a"), LACKS_A_LOGIN),
            REFUSED,
            [
                (
                    "Normal",
                    "SecretCreationSuccess",
                    "Secret ecr-login created in namespaces: a; valid until: 2026-02-01T00:00:00Z",
                ),
                ("Warning", "GetAWSAuthTokenFailed", REFUSED.message),
            ],
        ),
        ((), Problem("InvalidResource", "x", Origin.RESOURCE), [("Warning", "InvalidResource", "x")]),
        ((), Problem("RunFailed", "x", Origin.RUN), [("Warning", "RunFailed", "x")]),
        ((), Problem("Unreachable", "x", Origin.CLUSTER), [("Warning", "UpdateSecretError", "x")]),
    ],
)
def test_events(
    outcomes: tuple[NamespaceResult, ...], problem: Problem | None, expected: list[tuple[str, str, str]]
) -> None:
    assert events(*outcomes, problem=problem) == [Event(*each) for each in expected]


def test_events_tell_what_has_no_effect() -> None:
    warned = replace(result(unchanged("a")), warning=ErrorResult("PodInjectionMissing", "it has no effect"))
    assert events_of(resource(), warned) == [Event("Warning", "PodInjectionMissing", "it has no effect")]


def test_events_tell_of_service_accounts_and_removals() -> None:
    removed = (
        *FAILED_OBJECTS.removed,
        ObjectResult("f", "old", "deleted"),
        ObjectResult("f", "older", "deleted"),
        ObjectResult("g", "x", "released"),
    )
    told = events_of(resource(), replace(FAILED_OBJECTS, namespaces=(), removed=removed))
    assert told == [
        Event("Normal", "SecretDeletionSuccess", "Secret old deleted in namespaces: e, f"),
        Event("Normal", "SecretDeletionSuccess", "Secret older deleted in namespaces: f"),
        Event("Warning", "UpdateServiceAccountError", "is contended"),
        Event("Warning", "DeleteSecretError", "may not delete (also: d/old, p/old)"),
    ]


def test_annotation_that_is_ignored_is_told_once() -> None:
    annotated = replace(resource("a"), sdk=SdkAnnotations(warnings=("one is ignored", "two is ignored")))
    told = [Event("Warning", "AnnotationIgnored", f"{which} is ignored") for which in ("one", "two")]
    assert events_of(annotated, result(unchanged("a"))) == told
    status = status_of(replace(annotated, sdk=SdkAnnotations(warnings=("one is ignored",))), result(), NOW, DUE, [])
    assert events_of(replace(annotated, status=status), result(unchanged("a"))) == told[1:]


def warnings(before: dict | None, found: Result) -> list[str]:
    """Return what events say of service accounts that others write; before is the status that the resource had."""
    told = events_of(resource(status=before), found)
    assert {event.type for event in told if event.reason == "ServiceAccountContested"} <= {"Warning"}
    return [event.message for event in told if event.reason == "ServiceAccountContested"]


def test_service_accounts_that_others_write_are_one_warning_and_told_once() -> None:
    told = "a is written by helm (also: b/default (field manager flux))"
    assert warnings(None, CONTESTED) == [told]
    status = status_of(resource(), CONTESTED, NOW, DUE, [])
    assert warnings(status, CONTESTED) == []
    unchanged_by_now = [replace(each, state="unchanged") for each in reversed(CONTESTED.accounts)]
    assert warnings(status, replace(CONTESTED, accounts=tuple(unchanged_by_now))) == []
    fewer = replace(CONTESTED, accounts=CONTESTED.accounts[2:])
    assert warnings(status, fewer) == []
    assert warnings(status_of(resource(), fewer, NOW, DUE, []), CONTESTED) == [told]
    nobody = replace(CONTESTED, accounts=())
    assert warnings(status, nobody) == []
    assert warnings(status_of(resource(), nobody, NOW, DUE, []), fewer) == ["a is written by helm"]


def test_another_account_of_a_similar_name_is_another_warning() -> None:
    status = status_of(resource(), CONTESTED, NOW, DUE, [])
    shorter = replace(CONTESTED.accounts[2], namespace="", name="default")
    assert len(warnings(status, replace(CONTESTED, accounts=(shorter,)))) == 1


def test_logins_of_others_are_one_warning_and_told_once() -> None:
    told = Event("Warning", "LoginShadowed", "a has others (also in namespaces: b (HOST/y, HOST/z))")
    assert told in events_of(resource(), SHADOWED)
    status = status_of(resource(), SHADOWED, NOW, DUE, [])
    assert not [event for event in events_of(resource(status=status), SHADOWED) if event.type == "Warning"]
    other_key = replace(SHADOWED.namespaces[1], shadowed_by=("HOST/new",))
    changed = replace(SHADOWED, namespaces=(SHADOWED.namespaces[0], other_key))
    assert told in events_of(resource(status=status), changed)
