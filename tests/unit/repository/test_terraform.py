"""The Terraform module of docs/examples, evaluated by HashiCorp's HCL library: its policies are those of the page."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.harness.tools import go_tool

MODULE = ROOT / "docs" / "examples" / "terraform"
OTHER_ROLE = "arn:aws:iam::444455556666:role/ecr-pull"
POLICIES = [
    json.loads(block)
    for block in re.findall(
        r"^```json\n(.*?)^```$", (ROOT / "docs" / "aws-identities.md").read_text(), re.MULTILINE | re.DOTALL
    )
]


def evaluate(folder: Path = MODULE, **variables: object) -> subprocess.CompletedProcess[str]:
    said = json.dumps({"variables": variables})
    return subprocess.run([go_tool("terraform"), str(folder)], input=said, capture_output=True, text=True, timeout=60)


def resources(**variables: object) -> dict[str, dict]:
    done = evaluate(**variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["resources"]


@pytest.mark.parametrize(
    ("identity", "variables"),
    [
        ("pod-identity", {}),
        (
            "irsa",
            {
                "issuer": "my-cluster-issuer.s3.eu-west-1.amazonaws.com",
                "service_account": {"namespace": "ns1", "name": "ecr-pull"},
            },
        ),
        (
            "assumed-role",
            {"trusted_arn": "arn:aws:iam::111122223333:user/ecr-pull", "external_id": "YOUR_EXTERNAL_ID"},
        ),
    ],
)
def test_the_role_is_that_of_the_page(identity: str, variables: dict) -> None:
    made = resources(identity=identity, **variables)
    assert json.loads(made["aws_iam_role.ecr_pull"]["assume_role_policy"]) in POLICIES
    assert json.loads(made["aws_iam_role_policy.ecr_pull"]["policy"]) in POLICIES
    association = {"aws_eks_pod_identity_association.runner"} if identity == "pod-identity" else set()
    assert set(made) == {"aws_iam_role.ecr_pull", "aws_iam_role_policy.ecr_pull"} | association


def test_further_policies_are_those_of_the_page() -> None:
    made = resources(ecr_public=True, other_account_role_arn=OTHER_ROLE)
    further = [json.loads(made[f"aws_iam_role_policy.{name}"]["policy"]) for name in ("ecr_public", "assume")]
    assert all(each in POLICIES for each in further)


def test_an_external_id_is_asked_for_only_if_there_is_one() -> None:
    made = resources(identity="assumed-role", trusted_arn=OTHER_ROLE)
    (statement,) = json.loads(made["aws_iam_role.ecr_pull"]["assume_role_policy"])["Statement"]
    assert "Condition" not in statement


@pytest.mark.parametrize(
    ("before", "after", "variables", "error"),
    [
        ("aws_iam_role.ecr_pull.name", "aws_iam_role.other.name", {}, "does not have an attribute named"),
        ("var.cluster_name", "var.cluster", {}, "does not have an attribute named"),
        ("", "", {"identity": "assumed-role"}, 'Set trusted_arn: identity = "assumed-role" needs the user or role'),
        ("", "", {"identity": "keys"}, "identity must be pod-identity, irsa or assumed-role"),
    ],
)
def test_a_mistake_is_found(tmp_path: Path, before: str, after: str, variables: dict, error: str) -> None:
    for path in MODULE.glob("*.tf"):
        (tmp_path / path.name).write_text(path.read_text().replace(before, after))
    done = evaluate(tmp_path, **variables)
    assert done.returncode == 2
    assert error in done.stderr
