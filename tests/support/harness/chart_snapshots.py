"""What the chart makes of some values, as files to read: `make chart-snapshots` writes them, a test compares them.

That of the default values is whole, that of others says what is different, or tells of the rights alone. A diff of them
is what a change of the chart means for who installs it. Definitions are left out, they are in crds/.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.support.harness.chart_values import MATRIX
from tests.support.harness.helm import CHART, NAMESPACE, POLICIES, RELEASE, Values, run_helm

FOLDER = Path(__file__).parents[2] / "snapshots"
_NAMED: Values = {
    "secretNames": ["ecr-login"],
    "keysSecretNames": ["aws-keys"],
    "serviceAccountTokens": {"names": ["ecr-pull"]},
}
_NARROW = ["team-a", "team-b"]
# Whole, or of these only what is about rights.
_WHOLE: dict[str, Values] = {"default": {}, "cronjob": {"mode": "cronjob"}}
_RIGHTS: dict[str, Values] = {
    "secret-names": {"rbac": _NAMED},
    "watch-namespaces": {"watchNamespaces": _NARROW},
    "both": {"rbac": _NAMED, "watchNamespaces": _NARROW},
}


def snapshots() -> dict[Path, str]:
    """Return what is to stand in each file."""
    whole = {name: _shown(values) for name, values in _WHOLE.items()}
    rights = {name: _shown(values, "rbac") for name, values in _RIGHTS.items()}
    texts = {**whole, **rights, "values": "\n".join(_differences(whole["default"]))}
    return {FOLDER / f"chart-{name}.txt": text for name, text in texts.items()}


def _differences(default: str) -> Iterator[str]:
    """Yield in lines what each set of values changes."""
    for name, values in MATRIX.items():
        lines = difflib.unified_diff(default.splitlines(), _shown(values).splitlines(), "default", name, "", "", 1, "")
        yield from lines
    yield ""


def _shown(values: Values, template: str = "") -> str:
    only = [f"--show-only=templates/{template}.yaml"] if template else []
    text = run_helm("template", RELEASE, str(CHART), f"--namespace={NAMESPACE}", POLICIES, *only, values=values)
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    return "---\n".join(_documents(text.replace(version, "VERSION")))


def _documents(text: str) -> Iterator[str]:
    for document in text.split("---\n"):
        if document.strip() and "\nkind: CustomResourceDefinition\n" not in document:
            yield "".join(f"{line.rstrip()}\n" for line in document.splitlines() if line.strip())


def main() -> None:
    """Write them anew."""
    FOLDER.mkdir(exist_ok=True)
    for path, text in snapshots().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
