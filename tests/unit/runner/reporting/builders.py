"""Resources and results for the tests of what is reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from kube_ecr_runner.contract.result import NamespaceResult, ObjectResult
from kube_ecr_runner.contract.targets import Targets
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.result import Origin, Problem, Result

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
DUE = NOW + timedelta(hours=6)
LATER = NOW + timedelta(hours=1)
AT = "2026-01-31T18:00:00Z"
DIES = NOW + timedelta(hours=12)
HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
KEY = Key("ClusterAWSECRImagePullSecret", "", "shared")
AWS_DOWN = Problem("Unreachable", "no connection to AWS; check the network", Origin.AWS)
REFUSED = Problem("AccessDenied", "may not in eu-west-2", Origin.AWS)
LACKS_A_LOGIN = NamespaceResult("b", "failed", REFUSED.reason, REFUSED.message)


def created(namespace: str) -> NamespaceResult:
    return NamespaceResult(namespace, "created", expires_at=DIES)


def unchanged(namespace: str) -> NamespaceResult:
    return NamespaceResult(namespace, "unchanged", expires_at=DIES)


def pending(namespace: str, reason: str = "NamespaceNotFound") -> NamespaceResult:
    return NamespaceResult(namespace, "pending", reason, f"namespace {namespace} does not exist yet")


def failed(
    namespace: str, reason: str = "SecretConflict", message: str = "it is not ours", valid: bool = False
) -> NamespaceResult:
    return NamespaceResult(namespace, "failed", reason, message, DIES if valid else None)


def result(*outcomes: NamespaceResult, problem: Problem | None = None, generation: int = 1) -> Result:
    return Result(KEY, "u", generation, outcomes, () if problem else (HOST,), None if problem else DUE, problem)


def resource(*namespaces: str, status: dict | None = None) -> Resource:
    return Resource(KEY, "u", 1, "ecr-login", Targets.only(*namespaces), status=status or {})


FAILED_OBJECTS = replace(
    result(created("a"), created("b"), pending("p")),
    accounts=(ObjectResult("a", "default", "added"), ObjectResult("a", "x", "failed", "Conflict", "is contended")),
    removed=(
        ObjectResult("c", "old", "failed", "Forbidden", "may not delete"),
        ObjectResult("d", "old", "failed", "Forbidden", "may not either"),
        ObjectResult("p", "old", "failed", "Forbidden", "is going"),
        ObjectResult("e", "old", "deleted"),
    ),
)
SHADOWED = replace(
    result(created("a"), created("b")),
    namespaces=(
        replace(created("b"), reason="LoginShadowed", message="b has others", shadowed_by=("HOST/y", "HOST/z")),
        replace(created("a"), reason="LoginShadowed", message="a has others", shadowed_by=("HOST/x",)),
    ),
)
CONTESTED = replace(
    result(created("a"), created("b")),
    accounts=(
        ObjectResult(
            "b", "default", "unchanged", "ServiceAccountContested", "b is written by flux", "field manager flux"
        ),
        ObjectResult("a", "x", "added"),
        ObjectResult("a", "default", "added", "ServiceAccountContested", "a is written by helm", "helm release web"),
    ),
)
