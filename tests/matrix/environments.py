"""Which versions the tests run with, beside those of `make test`, and which tests that are."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.support.harness.packaged_collections import KUBERNETES_CORE_OLDEST

# Everything that a user of the collection starts.
COLLECTION = (
    "tests/integration/modules",
    "tests/integration/inventory",
    "tests/integration/reconcile",
    "tests/integration/roles",
)
# Some of these run in `make test` with the oldest versions, too.
ONCE = "not oldest"
# The runner from its start to its end, with what it serves, how it renews, whom it lets lead, and what it is told.
RUNNER = (
    "tests/e2e/test_runner.py",
    "tests/e2e/test_runner_renewal.py",
    "tests/e2e/test_runner_identities.py",
    "tests/e2e/test_runner_watches.py",
    "tests/e2e/test_settings.py",
    "tests/e2e/test_leader_election.py",
)
CHART = (
    "tests/integration/chart",
    "tests/e2e/test_chart.py",
    "tests/e2e/test_install.py",
)
# What rests on the API server: rules of the CRDs, server-side apply and its field managers, watches, policies.
CLUSTER = (
    "tests/integration/crds",
    "tests/integration/reconcile",
    "tests/integration/chart/test_chart.py",
    "tests/integration/chart/test_chart_rights.py",
    "tests/e2e/test_chart.py",
    "tests/e2e/test_runner.py",
    "tests/e2e/test_runner_visible.py",
)
_NOTES = "helm 3 shows notes only where a cluster would take the release"
NOT_IN_HELM_3 = {
    "tests/integration/chart/test_chart.py::test_the_notes_tell_what_is_next_for_this_installation": _NOTES,
    "tests/integration/chart/test_chart.py::test_examples_that_are_shown_are_taken_and_definitions_told_as_they_are": (
        _NOTES
    ),
    "tests/integration/chart/test_chart_rights.py::test_nothing_else_is_made_than_what_was_looked_at": (
        "the snapshots are helm 4's; before helm 4.1 the pod of helm test has another deletion policy"
    ),
    "tests/e2e/test_chart.py::test_the_pod_of_a_test_stays_if_it_fails_and_goes_if_it_succeeds": (
        "before helm 4.1 the pod stays, since helm would delete it before it reads its log"
    ),
    "tests/e2e/test_chart.py::test_definitions_of_the_go_operators_chart_are_taken_over_as_documented": (
        "its command is helm 4's; the page says what to omit with helm 3"
    ),
}
NOT_IN_HELM_3_14 = NOT_IN_HELM_3 | {
    "tests/e2e/test_chart.py::test_definitions_that_a_release_left_are_taken_over_by_another_that_is_told_to": (
        "--take-ownership came with helm 3.17"
    ),
}
_NO_POLICIES = "MutatingAdmissionPolicy is not there; spec.podInjection needs Kubernetes 1.36"
NOT_IN_KUBERNETES_1_29 = {
    "tests/integration/crds/test_pod_injection.py": _NO_POLICIES,
    "tests/integration/chart/test_chart.py::test_the_api_server_takes_whatever_comes_of_the_values": _NO_POLICIES,
    "tests/integration/reconcile/test_ownership.py::"
    "test_marks_that_a_policy_takes_or_overwrites_do_not_make_a_secret_forgotten": _NO_POLICIES,
    "tests/integration/reconcile/test_migration.py::"
    "test_one_of_the_first_releases_is_kept_until_its_successor_takes_over": (
        "it refuses the status of a resource that breaks a newer rule; ratcheting came with Kubernetes 1.30"
    ),
}
_MIGRATION = "tests/integration/reconcile/test_migration.py"
NO_RUNNER = dict.fromkeys(
    (
        *(
            f"tests/integration/modules/test_pod.py::test_the_official_client_is_loaded_for_a_kubeconfig_only[{way}-runner]"
            for way in ("pod", "kubeconfig")
        ),
        f"{_MIGRATION}::test_one_of_the_first_releases_is_kept_until_its_successor_takes_over",
        f"{_MIGRATION}::test_a_runner_under_definitions_of_another_version_serves_and_says_what_to_apply",
        "tests/integration/reconcile/test_renewal.py::test_a_pass_renews_early_and_tells_of_a_token_that_lives_short",
    ),
    "the runner needs Python 3.12",
)
# Each module, as it is shipped to a host.
TARGETS = tuple(
    f"tests/integration/modules/test_{name}.py"
    for name in ("ecr_token", "ecr_pull_secret", "ecr_pull_secret_info", "registry_login")
)
SHIPPED = "(shipped or registry_login) and not oldest"


@dataclass(frozen=True)
class Environment:
    """Something else than `make test` has, and the tests that run with it.

    With `requirements` (a file of pins), a virtual environment of `python` is made. If it `is_target`, modules are
    shipped to it. Else Ansible comes from it, with the collection, this version of kubernetes.core, and the runner if
    `has_runner`. `tools` replaces programs of tests/support/go by others that are there. `tests` and `keyword` choose
    tests as pytest does; `leaves_out` names those that cannot pass, with the reason.
    """

    name: str
    tests: tuple[str, ...]
    python: str = ""
    requirements: str = ""
    kubernetes_core: str = ""
    has_runner: bool = False
    is_target: bool = False
    keyword: str = ""
    tools: dict[str, str] = field(default_factory=dict)
    leaves_out: dict[str, str] = field(default_factory=dict)


ENVIRONMENTS = (
    Environment(
        "ansible-core-2.19",
        COLLECTION,
        python="3.11",
        requirements="tests/requirements-oldest.txt",
        kubernetes_core=KUBERNETES_CORE_OLDEST,
        keyword=ONCE,
        leaves_out=NO_RUNNER,
    ),
    Environment(
        "ansible-core-2.20",
        (*COLLECTION, *RUNNER),
        keyword=ONCE,
        python="3.12",
        requirements="tests/matrix/ansible-core-2.20.txt",
        kubernetes_core="6.6.0",
        has_runner=True,
    ),
    Environment(
        "ansible-core-2.22",
        (*COLLECTION, *RUNNER),
        keyword=ONCE,
        python="3.13",
        requirements="tests/matrix/ansible-core-2.22.txt",
        kubernetes_core="6.6.0",
        has_runner=True,
    ),
    Environment(
        "runner-oldest",
        RUNNER,
        python="3.12",
        requirements="tests/matrix/runner-oldest.txt",
        kubernetes_core=KUBERNETES_CORE_OLDEST,
        has_runner=True,
    ),
    *(
        Environment(
            f"target-{python}", TARGETS, python=python, requirements=requirements, is_target=True, keyword=SHIPPED
        )
        for python, requirements in (
            ("3.9", "tests/matrix/target-oldest.txt"),
            ("3.10", "tests/matrix/target.txt"),
            ("3.11", "tests/matrix/target.txt"),
            ("3.12", "tests/matrix/target.txt"),
        )
    ),
    Environment("helm-3.14", CHART, tools={"helm": "helm-3.14"}, leaves_out=NOT_IN_HELM_3_14),
    Environment("helm-3.22", CHART, tools={"helm": "helm-3.22"}, leaves_out=NOT_IN_HELM_3),
    Environment(
        "kubernetes-1.29", CLUSTER, tools={"kubernetes": "controlplane-1.29"}, leaves_out=NOT_IN_KUBERNETES_1_29
    ),
)
