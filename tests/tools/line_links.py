"""Keeps the links to lines in docs/architecture.md right: each `[name](path#L12)` points at the line that defines name.

python tests/tools/line_links.py            write the numbers of the lines anew
python tests/tools/line_links.py --check    fail if one is wrong
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "architecture.md"
_LINK = re.compile(r"\[`(?P<name>[\w.]+)`\]\((?P<path>[\w./]+)#L\d+\)")
_DEFINITION = r"^\s*(?:def|class|-? ?name:)\s+{name}\b|^\s*{name}\s*(?::|=)"


def main(arguments: list[str]) -> int:
    text = DOCUMENT.read_text(encoding="utf-8")
    try:
        right = _LINK.sub(_corrected, text)
    except ValueError as error:
        print(f"{DOCUMENT.relative_to(ROOT)}: {error}", file=sys.stderr)
        return 1
    if "--check" not in arguments:
        DOCUMENT.write_text(right, encoding="utf-8")
    elif right != text:
        print(f"{DOCUMENT.relative_to(ROOT)}: links to lines are wrong; run 'make line-links'", file=sys.stderr)
        return 1
    return 0


def _corrected(link: re.Match[str]) -> str:
    """Return a link to the line that defines the last part of its name. Raises ValueError if there is none."""
    name = link["name"].rpartition(".")[2]
    definition = re.compile(_DEFINITION.format(name=re.escape(name)))
    lines = (DOCUMENT.parent / link["path"]).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        if definition.match(line):
            return f"[`{link['name']}`]({link['path']}#L{number})"
    raise ValueError(f"{link['path']} does not define {name}; correct the link")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
