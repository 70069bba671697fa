"""The numbers of the probes fit together, to kubelet and to the runner: arithmetic on what is rendered.

How kubelet 1.37 counts (pkg/kubelet/prober/worker.go):

- Each failed probe makes a Warning event, the first one included, whatever the thresholds are.
- It counts initialDelaySeconds from a start that it has cut to whole seconds, so a delay may be a second shorter.
- It asks at the ticks of a clock of periodSeconds that runs since before the start, so up to a period later.
- After the startup probe has succeeded, it asks the readiness probe at once, and not before.
"""

from __future__ import annotations

import re

import pytest
import yaml

from tests.conftest import ROOT
from tests.support.harness.helm import render, the

# Seconds from the start of the container until the port is open.
LISTENS = 1
READY = 3
HUNG = 45
SLOW = 20


@pytest.fixture(scope="module")
def pod() -> dict:
    return the(render(), "Deployment")["spec"]["template"]["spec"]


def probe(pod: dict, name: str) -> dict:
    return pod["containers"][0][f"{name}Probe"]


def test_the_first_probe_of_a_start_comes_when_the_runner_listens_and_makes_it_ready(pod: dict) -> None:
    startup, readiness = probe(pod, "startup"), probe(pod, "readiness")
    assert startup["initialDelaySeconds"] - 1 >= LISTENS, "no Warning"
    assert startup["initialDelaySeconds"] + startup["periodSeconds"] <= READY
    assert startup["httpGet"]["path"] == "/healthz", "a right that is missing kills nothing"
    assert readiness["httpGet"]["path"] == "/readyz"
    assert "initialDelaySeconds" not in readiness
    assert "initialDelaySeconds" not in probe(pod, "liveness")
    assert readiness["failureThreshold"] * readiness["periodSeconds"] >= SLOW, "it stays Ready"


def test_a_start_that_takes_long_is_given_a_minute_and_one_that_hangs_no_more(pod: dict) -> None:
    """kubelet asks for the next time when a probe has ended, so each of a process that hangs takes its time-out."""
    startup = probe(pod, "startup")
    assert startup["failureThreshold"] * startup["periodSeconds"] >= 60
    longest = startup["failureThreshold"] * max(startup["periodSeconds"], startup["timeoutSeconds"])
    assert startup["initialDelaySeconds"] + longest + startup["terminationGracePeriodSeconds"] <= 70


def test_a_process_that_answers_nothing_is_replaced_in_time_and_one_that_is_slow_is_spared(pod: dict) -> None:
    """It may hang just after a probe, so that the first failure is a period away; the last one has its time-out."""
    liveness = probe(pod, "liveness")
    period, timeout, failures = (liveness[name] for name in ("periodSeconds", "timeoutSeconds", "failureThreshold"))
    grace = liveness["terminationGracePeriodSeconds"]
    assert timeout <= period, "otherwise the probes do not come once in a period"
    assert failures * period + timeout + grace <= HUNG
    # Silence must fill the time from the beginning of the first to the end of the last probe that fails.
    assert (failures - 1) * period + timeout >= SLOW
    assert probe(pod, "startup")["terminationGracePeriodSeconds"] == grace
    assert pod["terminationGracePeriodSeconds"] == 45, "what a run needs when the pod is stopped"


def test_the_page_shows_the_probes_of_the_chart(pod: dict) -> None:
    (block,) = re.findall(
        r"^```yaml\n(startupProbe:\n.*?)^```$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE | re.DOTALL
    )
    shown = yaml.safe_load(block.replace("port: 8080", "port: http"))
    assert shown == {name: each for name, each in pod["containers"][0].items() if name.endswith("Probe")}
