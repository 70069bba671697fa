"""As whom the user of a kubeconfig acts: which headers are sent, and what is refused."""

from __future__ import annotations

import pytest

from kube_ecr_runner.contract.kubeconfig import ImpersonationError, describe_fault, impersonation

CANARY = "hunter2"


@pytest.mark.parametrize(
    ("user", "headers"),
    [
        ({}, {}),
        ({"token": CANARY, "as": "", "as-groups": [], "as-user-extra": None}, {}),
        ({"as": "jane"}, {"Impersonate-User": ["jane"]}),
        (
            {"as": "system:serviceaccount:a:b", "as-uid": "1", "as-groups": ["x", "y z"]},
            {
                "Impersonate-User": ["system:serviceaccount:a:b"],
                "Impersonate-Uid": ["1"],
                "Impersonate-Group": ["x", "y z"],
            },
        ),
        (
            {"as": "jane", "as-user-extra": {"example.com/a b": ["1", "2"]}},
            {"Impersonate-User": ["jane"], "Impersonate-Extra-example.com%2Fa%20b": ["1", "2"]},
        ),
        # http.client takes this for latin-1, and so sends UTF-8.
        ({"as": "jané"}, {"Impersonate-User": ["jan\xc3\xa9"]}),
    ],
)
def test_headers_are_those_of_kubectl(user: dict, headers: dict) -> None:
    assert impersonation(user) == headers


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"as-groups": ["viewers"]}, "user.as-groups of the kubeconfig needs user.as beside it"),
        ({"as-uid": "1"}, "user.as-uid of the kubeconfig needs user.as beside it"),
        ({"as": 1000}, "user.as of the kubeconfig is not a text"),
        ({"as": 0}, "user.as of the kubeconfig is not a text"),
        ({"as": ["jane"]}, "user.as of the kubeconfig is not a text"),
        ({"as": "jane", "as-uid": 1000}, "user.as-uid of the kubeconfig is not a text"),
        ({"as": "jane", "as-groups": "viewers"}, "user.as-groups of the kubeconfig is not a list of texts"),
        ({"as": "jane", "as-groups": ["a", 1]}, "user.as-groups of the kubeconfig is not a list of texts"),
        (
            {"as": "jane", "as-user-extra": {"a": "b"}},
            "user.as-user-extra of the kubeconfig is not a mapping of lists of texts",
        ),
        (
            {"as": "jane", "as-user-extra": ["a"]},
            "user.as-user-extra of the kubeconfig is not a mapping of lists of texts",
        ),
        ({"as": f"jane\n{CANARY}"}, "has a line break or the like in it"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(user: dict, words: str) -> None:
    """Else the calls would be those of the user himself."""
    with pytest.raises(ImpersonationError) as caught:
        impersonation(user)
    assert words in describe_fault(caught.value)
    assert CANARY not in str(caught.value)
