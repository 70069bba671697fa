"""The chart's alerts and dashboard name metrics that there are, and docs/operations.md names the alerts."""

from __future__ import annotations

import json
import re

import yaml

from kube_ecr_runner.telemetry.metrics import Metrics
from tests.conftest import ROOT

CHART = ROOT / "roles" / "runner" / "files" / "chart"
RULES = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["rules"]
PANELS = json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]


def known() -> set[str]:
    metrics = Metrics()
    metrics.show_watches(dict)
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    return {f"{each.name}{end}" for each in metrics.registry.collect() for end in suffixes.get(each.type, [""])}


def test_alerts_and_panels_ask_for_metrics_that_there_are() -> None:
    for text in (rule["expr"] for rule in RULES):
        # The braces are where the chart says which release is meant.
        assert set(re.findall(r"(\w+)\{\}", text)) == set(re.findall(r"kube_ecr_\w+", text)) <= known()
    asked = {target["expr"] for panel in PANELS for target in panel["targets"]}
    assert all(set(re.findall(r"(\w+)\{", text)) <= known() for text in asked)
    assert all('{job=~"$job"}' in text for text in asked)
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_alerts_are_those_of_the_document_and_of_the_schema() -> None:
    table = re.findall(
        r"^\| `(PullSecret\w+)` \| (critical|warning) \|", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE
    )
    assert [(rule["alert"], rule["labels"]["severity"]) for rule in RULES] == table
    schema = json.loads((CHART / "values.schema.json").read_text())
    names = schema["properties"]["prometheusRule"]["properties"]["disabled"]["items"]["enum"]
    assert names == [name for name, _ in table]
    headings = re.findall(r"^#+ (.*)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^-\w]", "", heading.lower().replace(" ", "-")) for heading in headings}
    assert {rule["annotations"]["runbook_url"].split("#")[1] for rule in RULES} <= anchors
