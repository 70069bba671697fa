"""Each value of the chart as null, as empty and of the wrong type: as if it was not given, or refused by its name.

The values are those of values.yaml, and every mapping in it, so a new one is looked at as well. Also texts that YAML
takes for something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.harness.chart_values import ENTRY, MONITORED, TWO
from tests.support.harness.helm import CHART, POLICIES, HelmError, Values, render, run_helm

ALONE = ("template", "umbrella", str(CHART), POLICIES)
Way = tuple[str, ...]
# With all that is off by default, so that each value has a place in what is rendered. A value that a set has itself is
# tried in the others. The definitions take most of the time, so one set alone has them.
SETS: dict[str, Values] = {
    "monitored": {**TWO, **MONITORED, "networkPolicy": {"enabled": True}, "crds": {"enabled": False}},
    "pods": {
        "podMonitor": {"enabled": True},
        "proxy": {"httpsProxy": "http://proxy"},
        "watches": {"entries": [ENTRY]},
        "metrics": {"secure": True, "certificate": {"secretName": "tls"}},
        "crds": {"enabled": False},
    },
    "cronjob": {"mode": "cronjob", "crds": {"enabled": False}},
    "defaults": {},
}
# Also of another type than the default.
UNIONS = {
    ("podInjection", "enabled"): bool,
    ("podDisruptionBudget", "minAvailable"): int,
    ("podDisruptionBudget", "maxUnavailable"): int,
    ("resources", "requests", "cpu"): int,
    ("resources", "requests", "memory"): int,
    ("resources", "limits", "memory"): int,
}
# Where empty says something else than the default.
EMPTY = {
    ("image", "registry"): "",
    ("proxy", "noProxy"): "",
    ("resources", "requests", "cpu"): "",
    ("resources", "requests", "memory"): "",
    ("resources", "limits", "memory"): "",
    ("dashboard", "labels", "grafana_dashboard"): "",
    ("securityContext", "capabilities", "drop"): [],
    ("podInjection", "excludeNamespaces"): [],
}


def walk(node: Values, above: Way = ()) -> Iterator[tuple[Way, object]]:
    """Yield each mapping and each leaf, with the way to it."""
    for name, value in node.items():
        yield (*above, name), value
        if isinstance(value, dict):
            yield from walk(value, (*above, name))


WAYS = dict(walk(yaml.safe_load((CHART / "values.yaml").read_text())))
MAPPINGS = [way for way, value in WAYS.items() if value and isinstance(value, dict)]
LEAVES = [way for way in WAYS if way not in MAPPINGS]


def with_each(ways: Iterable[Way], value: object, beside: Values) -> Values:
    """Return values with this one at the end of each way."""
    values = json.loads(json.dumps(beside))
    for *above, name in ways:
        node = values
        for each in above:
            node = node.setdefault(each, {})
        node[name] = value
    return values


def touches(values: object, way: Way) -> bool:
    """Whether the values say something at the end of the way, or below."""
    return not way or (isinstance(values, dict) and way[0] in values and touches(values[way[0]], way[1:]))


def nulls(name: str) -> dict[str, Values]:
    """Return a set of values with null for all that it does not say itself: mappings of each depth, and leaves."""
    groups = {f"mappings-{depth}": [way for way in MAPPINGS if len(way) == depth] for depth in (1, 2)}
    groups["leaves"] = LEAVES
    beside = SETS[name]
    return {
        f"{name}-{group}": with_each([way for way in ways if not touches(beside, way)], None, beside)
        for group, ways in groups.items()
    }


def umbrella(folder: Path, parts: dict[str, Values], *, in_its_file: bool) -> dict[str, str]:
    """Render a chart of which each part is this one, with the values of the part; return what comes of each.

    The values are in its values.yaml, or given to it.
    """
    named = {f"part-{number:03}": part for number, part in enumerate(parts)}
    values = {alias: parts[part] for alias, part in named.items()}
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    dependencies = [{"name": about["name"], "version": about["version"], "alias": alias} for alias in named]
    chart = {"apiVersion": "v2", "name": "umbrella", "version": "1.0.0", "dependencies": dependencies}
    (folder / "charts").mkdir()
    (folder / "charts" / about["name"]).symlink_to(CHART.resolve())
    (folder / "Chart.yaml").write_text(json.dumps(chart))
    (folder / "values.yaml").write_text(json.dumps({"global": {"x": 1}, **(values if in_its_file else {})}))
    text = run_helm("template", "umbrella", str(folder), POLICIES, values={} if in_its_file else values)
    found = dict.fromkeys(parts, "")
    for document in text.split("---\n")[1:]:
        (alias,) = re.findall(r"^# Source: umbrella/charts/(.*?)/", document)
        found[named[alias]] += document.replace(alias, "PART").strip()
    return found


@pytest.mark.parametrize("name", SETS)
def test_null_is_as_if_it_was_not_given(name: str) -> None:
    expected = run_helm(*ALONE, values=SETS[name])
    for group, values in nulls(name).items():
        assert run_helm(*ALONE, values=values) == expected, group


def test_each_value_is_null_in_some_set() -> None:
    assert [way for way in WAYS if all(touches(beside, way) for beside in SETS.values())] == []


@pytest.mark.parametrize("in_its_file", [True, False], ids=["in its values.yaml", "given to it"])
def test_null_is_as_if_it_was_not_given_through_another_chart(tmp_path: Path, in_its_file: bool) -> None:
    """helm drops some of these nulls itself and not others; it also differs from version to version."""
    parts = {part: values for name in SETS for part, values in ({name: SETS[name]} | nulls(name)).items()}
    found = umbrella(tmp_path, parts, in_its_file=in_its_file)
    for part, text in found.items():
        assert text == found[part.split("-")[0]] != "", part


def test_every_template_puts_the_defaults_in_first() -> None:
    """Whichever helm renders first: what it puts in stays for the others, so that a render does not tell."""
    templates = [path for path in (CHART / "templates").rglob("*.*") if path.suffix in (".yaml", ".txt")]
    assert len(templates) > 15
    for path in templates:
        assert path.read_text().startswith('{{- include "kube-ecr-runner.defaults" . }}\n'), path.name


def refused(values: Values) -> set[Way]:
    """Return the ways that helm names when it refuses values; none if it takes them."""
    try:
        run_helm(*ALONE, values=values)
    except HelmError as error:
        return set(error.refused)
    return set()


@pytest.mark.parametrize("value", [7, True, "text", ["a"], {"a": "b"}, "", [], {}], ids=json.dumps)
def test_a_value_of_the_wrong_type_is_refused_by_name(value: object) -> None:
    ways = [way for way in LEAVES if type(value) not in (type(WAYS[way]), UNIONS.get(way))]
    wrong = [way for way in ways if not (type(value) is int and isinstance(WAYS[way], float))]
    assert len(wrong) > 50
    assert set(wrong) - refused(with_each(wrong, value, {})) == set()
    if not isinstance(value, dict):
        parts = {way for way in MAPPINGS if len(way) == 1}
        assert parts - refused(with_each(parts, value, {})) == set()


@pytest.mark.parametrize("name", SETS)
def test_an_empty_value_is_as_if_it_was_not_given_or_refused_by_name(name: str) -> None:
    beside = SETS[name]
    values = beside
    empties: list[object] = ["", [], {}]
    for empty in empties:
        same = [way for way in LEAVES if type(WAYS[way]) is type(empty) and EMPTY.get(way) != empty]
        free = [way for way in same if not touches(beside, way)]
        taken = set(free) - refused(with_each(free, empty, beside))
        values = with_each(taken, empty, values)
    assert run_helm(*ALONE, values=values) == run_helm(*ALONE, values=beside)


def named(word: str, beside: Values) -> list[dict]:
    """Return what is rendered where everything that can has this word for its name."""
    texts = {
        "nameOverride": word,
        "fullnameOverride": word,
        "priorityClassName": word,
        "imagePullSecrets": [{"name": word}],
    }
    metadata = {"commonLabels": {word: word}, "commonAnnotations": {word: word}, "podLabels": {word: word}}
    rights = {"secretNames": [word], "keysSecretNames": [word], "serviceAccountTokens": {"names": [word]}}
    kinds = {
        "image": {"registry": "", "repository": word, "tag": word},
        "serviceAccount": {"name": word},
        "dashboard": {"namespace": word},
        "cronJob": {"timeZone": word},
        "extraEnv": [{"name": "A", "value": word}],
        "runner": {"selector": word},
        "watchNamespaces": [word],
        "rbac": rights,
    }
    merged = {**beside, **texts, **metadata}
    for kind, more in kinds.items():
        before = merged.get(kind)
        merged[kind] = {**before, **more} if isinstance(before, dict) and isinstance(more, dict) else more
    return render(merged, POLICIES, release=word, namespace=word)


@pytest.mark.parametrize("name", ["monitored", "pods", "cronjob"])
def test_a_text_stays_one_whatever_it_looks_like(name: str) -> None:
    """A release, a namespace, an account and all else may be named so: each is what YAML takes for no text."""
    like = json.dumps(named("word", SETS[name]))
    for word in ("1234", "1e3", "null"):
        # No Service may begin with a digit before Kubernetes 1.35.
        expected = json.loads(re.sub(r"\bword\b", word, like))
        for each in expected:
            if each["kind"] == "Service" and word[0].isdigit():
                each["metadata"]["name"] = f"runner-{word}"
        made = named(word, SETS[name])
        assert _without_digests(made) == _without_digests(expected), word


def _without_digests(objects: list[dict]) -> str:
    """Of the file that is mounted. Nor alerts and monitors say here what the Service is called."""
    return re.sub(
        r'checksum/watches": "\w+"|job=\\"[-\w/]+|"serverName": "[-\w.]+"', "", json.dumps(objects, sort_keys=True)
    )
