"""docs/operations.md names every metric, every reason, every event and every line of the log that there is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract import reasons
from kube_ecr_runner.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
RUNNER = sorted((ROOT / "runner" / "src").rglob("*.py"))
CODE = [*RUNNER, *sorted((ROOT / "plugins").rglob("*.py"))]


def constants(path: Path) -> Iterator[str]:
    """Yield the texts in a file, without its documentation."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_each_reason_is_defined_once() -> None:
    """Some are words of other meanings, too: a state that nobody knows, AWS' own code for something."""
    home = ROOT / "plugins" / "module_utils" / "_contract" / "reasons.py"
    elsewhere = {text for path in CODE if path != home and "contract" not in path.parts for text in constants(path)}
    assert elsewhere & reasons.ALL == set()


def logged() -> Iterator[str]:
    for path in RUNNER:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("_log"), attr="debug" | "info" | "warning" | "error"),
                    args=[message, *_],
                ):
                    yield from texts(message)
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("_log"), attr="log") | ast.Name("LogLine"), args=[_, message, *_]
                ):
                    yield from texts(message)


def texts(message: ast.expr) -> Iterator[str]:
    match message:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=other):
            yield from (*texts(body), *texts(other))


def metrics() -> Iterator[str]:
    made = Metrics()
    made.show_watches(dict)
    for each in made.registry.collect():
        yield each.name + ("_total" if each.type == "counter" else "")


@pytest.mark.parametrize(
    ("found", "some"),
    [
        (
            set(reasons.ALL),
            {"SecretConflict", "AccessDeniedException", "IDPCommunicationError", "GetAWSAuthTokenFailed"},
        ),
        (set(logged()), {"refreshed", "run ended", "cannot write to the API server"}),
        ({each for each in metrics() if not each.startswith("process_")}, {"kube_ecr_watch_age_seconds"}),
    ],
    ids=["reasons", "log", "metrics"],
)
def test_document_is_complete(found: set[str], some: set[str]) -> None:
    assert some <= found
    assert {each for each in found if f"`{each}`" not in DOCUMENT} == set()
