"""docs/operations.md names every metric, every reason, every event and every line of the log that there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.errors import ALIASES
from kube_ecr_runner.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
RUNNER = sorted((ROOT / "runner" / "src").rglob("*.py"))
PLUGINS = [
    *(ROOT / "plugins").glob("module_utils/**/*.py"),
    *(ROOT / "plugins").glob("plugin_utils/_*.py"),
    *(ROOT / "plugins").glob("[il]*/*.py"),
]
# Words in CamelCase that are no reasons: kinds, fields, policies, states; of watches only the text is told.
_WORDS = """
    Accept AccessKeyId Adopt All Apply Authorization AWSECRCredential AWSECRImagePullSecret BearerToken Broken
    ClusterAWSECRImagePullSecret Code Credentials Delete DeleteOptions DoesNotExist Error Event Exists Expiration
    ExternalId Fail False HTTP HTTPStatusCode In Lease Merge Message Namespace Normal NotIn Orphan Other Ready Reconcile
    ResponseMetadata Secret SecretAccessKey Server ServiceAccount SessionToken Silent Succeeded TokenRequest True Update
    Version Warning
"""
# What AWS calls something that we give another name.
OTHERS = {*re.findall(r"\w+", _WORDS), *(ALIASES.keys() - set(ALIASES.values()))}


def constants(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def reasons() -> set[str]:
    form = re.compile(r"[A-Z][a-z]+[A-Za-z]*|[A-Z]{2,}[A-Za-z]*[a-z][A-Za-z]*", re.ASCII)
    played = re.findall(r"'reason': '(\w+)'", (ROOT / "playbooks" / "reconcile.yml").read_text(encoding="utf-8"))
    return {each for each in constants([*PLUGINS, *RUNNER]) if form.fullmatch(each)} - OTHERS | set(played)


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
        (reasons(), {"SecretConflict", "AccessDeniedException", "IDPCommunicationError", "GetAWSAuthTokenFailed"}),
        (set(logged()), {"refreshed", "run ended", "cannot write to the API server"}),
        ({each for each in metrics() if not each.startswith("process_")}, {"kube_ecr_watch_age_seconds"}),
    ],
    ids=["reasons", "log", "metrics"],
)
def test_document_is_complete(found: set[str], some: set[str]) -> None:
    assert some <= found
    assert {each for each in found if f"`{each}`" not in DOCUMENT} == set()
