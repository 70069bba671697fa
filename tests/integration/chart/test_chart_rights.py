"""docs/operations.md, "Rights", says what the chart grants, right by right, and what the values change of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.conftest import ROOT
from tests.support.harness.chart_snapshots import snapshots
from tests.support.harness.helm import NAMESPACE, RELEASE, Values, render

EACH = ["team-a", "team-b"]
NAMED: Values = {
    "secretNames": ["pull"],
    "keysSecretNames": ["keys"],
    "serviceAccountTokens": {"names": ["puller"]},
}
BY_NAME = {
    "pull": "rbac.secretNames",
    "keys": "rbac.keysSecretNames",
    "puller": "rbac.serviceAccountTokens.names",
    RELEASE: "",
}
MODES: list[Values] = [{}, {"rbac": NAMED}, {"watchNamespaces": EACH}, {"rbac": NAMED, "watchNamespaces": EACH}]
# Of a right: resource, verb, where, and the value that has the names.
Right = tuple[str, str, str, str]


@dataclass(frozen=True)
class Row:
    resource: str
    verbs: list[str]
    modes: list[str]
    value: str

    def rights(self, mode: int) -> set[Right]:
        where = self.modes[mode]
        if where in ("no", "as above"):
            return set()
        by_name = where.endswith("by name")
        where = where.removesuffix("by name").strip() or "all"
        return {(self.resource, verb, where, self.value if by_name else "any") for verb in self.verbs}


def rows() -> list[Row]:
    text = (ROOT / "docs" / "operations.md").read_text()
    (table,) = re.findall(r"^## Rights\n.*?\| --- .*?\n(.*?)\n\n", text, re.MULTILINE | re.DOTALL)
    found = []
    for line in table.splitlines():
        right, _, *modes, value = (cell.strip() for cell in line.strip("|").split("|"))
        resource, *verbs = re.findall(r"`(.*?)`", right)
        found.append(Row(resource, verbs, modes, value.strip("`")))
    return found


def granted(values: Values) -> set[Right]:
    """Return what the roles of the runner grant; each of the namespaces must be granted the same."""
    found: dict[str, set[Right]] = {}
    for role in render(values):
        metadata = role["metadata"]
        if role["kind"] not in ("Role", "ClusterRole") or any("/aggregate-to-" in each for each in metadata["labels"]):
            continue
        namespace = metadata.get("namespace", "")
        where = {"": "all", NAMESPACE: "own"}.get(namespace, "each")
        rights = found.setdefault(namespace, set())
        for rule in role["rules"]:
            (name,) = rule.get("resourceNames", ["any"])
            for resource in rule.get("resources", []):
                rights |= {(resource, verb, where, BY_NAME.get(name, name)) for verb in rule["verbs"]}
    narrow = [found[namespace] for namespace in found if namespace not in ("", NAMESPACE)]
    assert narrow == narrow[:1] * len(narrow)
    return set().union(*found.values())


@pytest.mark.parametrize("mode", range(len(MODES)), ids=["default", "secretNames", "watchNamespaces", "both"])
def test_the_table_is_what_is_granted(mode: int) -> None:
    assert set().union(*(row.rights(mode) for row in rows())) == granted(MODES[mode])


@pytest.mark.parametrize("value", ["legacyKind", "events", "namespaces", "serviceAccounts"])
def test_a_value_turns_off_what_the_table_says_and_no_more(value: str) -> None:
    # Who may create tokens may read the accounts, whatever else.
    others = {"serviceAccountTokens": {"enabled": False}}
    documented = set().union(*(row.rights(0) for row in rows() if row.value == f"rbac.{value}"))
    assert documented
    assert granted({"rbac": others}) - granted({"rbac": {**others, value: False}}) == documented


def test_pods_are_read_only_if_the_runner_is_to_look_at_them() -> None:
    documented = set().union(*(row.rights(0) for row in rows() if row.value == "runner.watchPods"))
    assert documented == granted({}) - granted({"runner": {"watchPods": False}}) != set()


def test_pods_are_evicted_only_if_resources_may_ask_for_it() -> None:
    """That is a strong right, so nobody gets it unasked."""
    eviction = ("pods/eviction", "create")
    (row,) = (row for row in rows() if row.value == "runner.recoverPods")
    assert ((row.resource, *row.verbs), set(row.modes)) == (eviction, {"no"})
    for values, where in (({}, "all"), ({"watchNamespaces": EACH}, "each")):
        more = granted({**values, "runner": {"recoverPods": True}}) - granted(values)
        assert more == {(*eviction, where, "any")}


@pytest.mark.parametrize("values", MODES, ids=["default", "secretNames", "watchNamespaces", "both"])
def test_reviews_are_for_a_runner_that_asks_who_reads_its_metrics(values: Values) -> None:
    """Cluster-wide, whatever namespaces are served; and a role for Prometheus, which the runner does not have."""
    secure = {**values, "metrics": {"secure": True}}
    assert granted(secure) == granted(values)
    asking = {**values, "metrics": {"secure": True, "authorization": {"enabled": True}}}
    reviews = {(each, "create", "all", "any") for each in ("tokenreviews", "subjectaccessreviews")}
    assert granted(asking) - granted(values) == reviews
    (reader,) = (each for each in render(asking) if each["metadata"]["name"].endswith("-metrics-reader"))
    assert reader["kind"] == "ClusterRole"
    assert reader["rules"] == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]


def test_tokens_need_to_read_service_accounts_and_nothing_else() -> None:
    without = {"serviceAccounts": False, "serviceAccountTokens": {"enabled": False}}
    more = granted({"rbac": {**without, "serviceAccountTokens": {"names": ["puller"]}}}) - granted({"rbac": without})
    reading = {("serviceaccounts", verb) for verb in ("get", "list", "watch")}
    names = "rbac.serviceAccountTokens.names"
    assert more == {(*each, "all", names) for each in (*reading, ("serviceaccounts/token", "create"))}


@pytest.mark.parametrize("values", MODES, ids=["default", "secretNames", "watchNamespaces", "both"])
def test_a_pass_watches_nothing_and_holds_no_lease(values: Values) -> None:
    everything = granted(values)
    assert granted({**values, "mode": "cronjob"}) == {
        each for each in everything if each[0] not in ("leases", "pods") and each[1] != "watch"
    }


@pytest.mark.slow
def test_nothing_else_is_made_than_what_was_looked_at() -> None:
    """Run `make chart-snapshots` if the change is meant, and look at the diff."""
    for path, text in snapshots().items():
        assert text == path.read_text(), f"{path.name}: if this is meant, run 'make chart-snapshots'"
