"""The health checks that docs/gitops.md shows, run by the controllers' libraries on statuses that the runner writes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kube_ecr_runner.contract.result import NamespaceResult
from kube_ecr_runner.model.result import Problem
from kube_ecr_runner.reporting.status import status_of
from kube_ecr_runner.reporting.suspension import suspended_status
from tests.support.harness.gitops import KINDS, ask, expressions, scripts
from tests.unit.runner.reporting.builders import (
    AWS_DOWN,
    DUE,
    NOW,
    REFUSED,
    created,
    failed,
    pending,
    resource,
    result,
    unchanged,
)


def told(*outcomes: NamespaceResult, problem: Problem | None = None, cleanup: bool = False) -> dict:
    """Return the status that the runner writes after a result."""
    found = replace(result(*outcomes, problem=problem), is_cleanup=cleanup)
    return status_of(resource(), found, NOW, DUE, ["a", "b"])


SERVED = told(created("a"), created("b"))
STATUSES = {
    "not looked at yet": {},
    "served": SERVED,
    "no namespace matches": status_of(resource(), result(), NOW, DUE, []),
    "a namespace is waited for": told(created("a"), pending("b")),
    "only waited for": told(pending("a"), pending("b")),
    "a refresh fails": status_of(
        resource(status=SERVED), result(unchanged("a"), unchanged("b"), problem=AWS_DOWN), NOW, DUE, ["a", "b"]
    ),
    "a conflict": told(created("a"), failed("b")),
    "refused from the start": told(problem=REFUSED),
    "suspended, with tokens": suspended_status(replace(resource(status=SERVED), suspended=True), NOW),
    "suspended, tokens dead": suspended_status(
        replace(resource(status=SERVED), suspended=True), datetime(2026, 2, 2, tzinfo=UTC)
    ),
    "suspended from the start": suspended_status(replace(resource(), suspended=True), NOW),
    "edited": SERVED,
    "being deleted": SERVED,
    "its cleanup fails": told(problem=AWS_DOWN, cleanup=True),
}
#                              Flux          Argo CD        kstatus
EXPECTED = {
    "not looked at yet": ("Unknown", "Progressing", "Current"),
    "served": ("Current", "Healthy", "Current"),
    "no namespace matches": ("Current", "Healthy", "Current"),
    "a namespace is waited for": ("Current", "Healthy", "Current"),
    "only waited for": ("InProgress", "Progressing", "InProgress"),
    "a refresh fails": ("Current", "Healthy", "Current"),
    "a conflict": ("Failed", "Degraded", "InProgress"),
    "refused from the start": ("Failed", "Degraded", "InProgress"),
    "suspended, with tokens": ("Current", "Healthy", "Current"),
    "suspended, tokens dead": ("Failed", "Suspended", "InProgress"),
    "suspended from the start": ("Failed", "Suspended", "InProgress"),
    "edited": ("InProgress", "Progressing", "InProgress"),
    "being deleted": ("InProgress", "Healthy", "Terminating"),
    "its cleanup fails": ("InProgress", "Progressing", "Terminating"),
}


def objects(kind: str) -> list[dict]:
    """Return a custom resource for each of the statuses."""
    made = []
    for name, status in STATUSES.items():
        metadata = {"name": "r", "namespace": "a", "generation": 2 if name == "edited" else 1}
        if name in ("being deleted", "its cleanup fails"):
            metadata["deletionTimestamp"] = "2026-01-31T12:00:00Z"
        found = {"apiVersion": "aws.zakariaamine.com/v1alpha2", "kind": kind, "metadata": metadata, "spec": {}}
        made.append(found | ({"status": status} if status else {}))
    return made


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_health_follows_from_the_status(kind: str) -> None:
    made = objects(kind)
    flux = ask("flux", made, expressions=expressions()[kind])
    argocd = ask("argocd", made, script=scripts()[kind])
    kstatus = ask("kstatus", made)
    found = zip(flux, argocd, kstatus, strict=True)
    assert {name: tuple(each["status"] for each in row) for name, row in zip(STATUSES, found, strict=True)} == EXPECTED


@pytest.mark.slow
def test_argocd_says_what_is_wrong() -> None:
    said = ask("argocd", objects(KINDS[0]), script=scripts()[KINDS[0]])
    messages = {name: each["message"] for name, each in zip(STATUSES, said, strict=True)}
    assert messages["a refresh fails"].startswith("the refresh fails: no connection to AWS")
    assert "no valid token in namespaces: b: it is not ours" in messages["a conflict"]
    assert messages["not looked at yet"] == "waiting for kube-ecr-runner"


@pytest.mark.slow
def test_both_kinds_have_the_same_checks() -> None:
    for checks in (expressions(), scripts()):
        assert set(checks) == set(KINDS)
        assert checks[KINDS[0]] == checks[KINDS[1]]
