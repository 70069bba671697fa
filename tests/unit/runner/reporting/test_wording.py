"""How names are listed, and which causes are told once."""

from __future__ import annotations

from kube_ecr_runner.contract.result import NamespaceResult, ObjectResult
from kube_ecr_runner.model.result import Origin, Problem
from kube_ecr_runner.reporting.wording import comes_from, names_of, place_of


def test_ten_names_are_told_and_how_many_more_there_are() -> None:
    assert names_of("abc") == "a, b, c"
    for count, end in ((10, "n8, n9"), (11, "n8, n9 and 1 more"), (13, "n8, n9 and 3 more")):
        assert names_of(f"n{number}" for number in range(count)).endswith(end)


def test_place_is_a_namespace_or_an_object_in_one() -> None:
    assert place_of(NamespaceResult("ns1", "failed")) == "ns1"
    assert place_of(ObjectResult("ns1", "default", "failed")) == "ns1/default"


def test_namespace_failed_for_the_problem_of_its_resource_if_it_says_the_same() -> None:
    problem = Problem("AccessDenied", "may not", Origin.AWS)
    assert comes_from(NamespaceResult("ns1", "failed", "AccessDenied", "may not"), problem)
    assert not comes_from(NamespaceResult("ns1", "failed", "AccessDenied", "may not either"), problem)
    assert not comes_from(NamespaceResult("ns1", "failed", "Forbidden", "may not"), problem)
    assert not comes_from(NamespaceResult("ns1", "failed", "AccessDenied", "may not"), None)
