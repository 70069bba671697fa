"""What --dry-run prints."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kube_ecr_runner.contract.result import NamespaceResult, ObjectResult
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.result import Origin, Problem, Result
from kube_ecr_runner.reporting.preview import lines_of

KEY = Key("ClusterAWSECRImagePullSecret", "", "shared")
RESOURCE = Resource(KEY, "u", 1, "ecr-login")
RESULT = Result(KEY, "u", 1)
HEAD = "ClusterAWSECRImagePullSecret/shared: "
AWAITED = NamespaceResult("c", "pending", "NamespaceNotFound")
DENIED = Problem("AccessDenied", "not allowed\x1b[31m", Origin.AWS)
CONTESTED = ObjectResult("a", "default", "added", "ServiceAccountContested", "also written by helm", "helm")
SHADOWED = NamespaceResult("a", "unchanged", "LoginShadowed", "has others")
REFUSED = NamespaceResult("a", "failed", "AccessDenied", "not allowed")


@pytest.mark.parametrize(
    ("result", "why_not", "lines"),
    [
        (replace(RESULT, namespaces=(NamespaceResult("a", "unchanged"),)), "", ["nothing to do"]),
        (
            replace(
                RESULT,
                namespaces=(NamespaceResult("a", "created"), NamespaceResult("b", "updated"), AWAITED),
                accounts=(ObjectResult("a", "default", "added"), ObjectResult("b", "x", "removed")),
                removed=(ObjectResult("d", "old", "deleted"), ObjectResult("e", "old", "released")),
            ),
            "",
            [
                "would change",
                "  create Secret a/ecr-login",
                "  update Secret b/ecr-login",
                "  wait for namespace c (NamespaceNotFound)",
                "  add to imagePullSecrets of service account a/default: ecr-login",
                "  remove from imagePullSecrets of service account b/x: ecr-login",
                "  delete Secret d/old",
                "  release Secret e/old",
            ],
        ),
        (replace(RESULT, namespaces=(AWAITED,)), "",
         ["would wait", "  wait for namespace c (NamespaceNotFound)"]),
        (replace(RESULT, is_cleanup=True, removed=(ObjectResult("a", "ecr-login", "deleted"),)), "",
         ["would be cleaned up", "  delete Secret a/ecr-login"]),
        (
            replace(
                RESULT,
                namespaces=(
                    NamespaceResult("a", "created"),
                    NamespaceResult("b", "failed", "SecretConflict", "is of others"),
                ),
                accounts=(ObjectResult("a", "x", "failed", "Forbidden", "no right"),),
                removed=(ObjectResult("d", "old", "failed", "Forbidden"),),
            ),
            "SecretConflict: failed in 1 of 2 namespaces",
            [
                "would fail",
                "  create Secret a/ecr-login",
                "  fail in namespace b: SecretConflict: is of others",
                "  fail for service account a/x: Forbidden: no right",
                "  fail for Secret d/old: Forbidden",
            ],
        ),
        (replace(RESULT, namespaces=(REFUSED,), problem=DENIED), "x",
         ["would fail: AccessDenied: not allowed [31m"]),
        (None, "the run was stopped", ["would fail: the run was stopped"]),
        (replace(RESULT, accounts=(replace(CONTESTED, state="unchanged"),)), "",
         ["nothing to do", "  warning: also written by helm"]),
        (replace(RESULT, namespaces=(SHADOWED,)), "", ["nothing to do", "  warning: has others"]),
        (replace(RESULT, accounts=(CONTESTED,)), "",
         ["would change", "  add to imagePullSecrets of service account a/default: ecr-login",
          "  warning: also written by helm"]),
        (replace(RESULT, namespaces=(AWAITED,), accounts=(replace(CONTESTED, state="unchanged"),)), "",
         ["would wait", "  wait for namespace c (NamespaceNotFound)", "  warning: also written by helm"]),
    ],
)  # fmt: skip
def test_each_change_and_each_failure_is_a_line(result: Result | None, why_not: str, lines: list[str]) -> None:
    *told, summary = lines_of({KEY: RESOURCE}, {KEY: result} if result else {}, {KEY: why_not} if why_not else {})
    assert told == [HEAD + lines[0], *lines[1:]]
    assert summary == ("1 resource: 0 would be served, 1 would not" if why_not else "1 resource: 1 would be served")
