"""All examples of how the collection is used: those of plugins, and of the pages that ship with it or show it.

An example is found by what it looks like, so a new one is found as soon as it is written. One that has no name of its
own has that of the heading above it.

- tasks and plays: each task of EXAMPLES of a module, each play of a page. A page's task calls our modules or roles.
- inventory files: what has `plugin: kube_ecr.secrets...`.
- variables of a role of ours: a mapping whose keys all begin with the name of the role.
- commands: `ansible`, `ansible-playbook` and `ansible-inventory` with something of ours.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import yaml

from tests.support.documentation import plugins
from tests.support.documentation.plugins import COLLECTION

_ROOT = Path(__file__).parents[3]
_PAGES = ("README.md", "docs/*.md", "roles/*/README.md", "extensions/**/*.md", "runner/README.md")
_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_IN_TEXT = re.compile(r"`(ansible(?:-playbook|-inventory)? [^`]+)`")
_COMMAND = re.compile(r"^ansible(-playbook|-inventory)? .*(kube_ecr\.secrets|-i ecr\.yml)")

TASK, PLAY, INVENTORY, VARIABLES, COMMAND = "task", "play", "inventory", "variables", "command"


@dataclass(frozen=True, eq=False)
class Example:
    """One example: where it is, what it is called there, what kind it is, its text as it stands, and that parsed.

    Tasks of a module have no text of their own: they are pieces of one YAML document.
    """

    source: str
    name: str
    kind: str
    text: str
    content: Any

    def __str__(self) -> str:
        return f"{self.source}: {self.name}"

    @property
    def becomes(self) -> bool:
        """Whether it acts as other users of a machine."""
        content = self.content if isinstance(self.content, list) else [self.content]
        return any(isinstance(part, dict) and part.get("become") for part in content)

    @property
    def installs(self) -> bool:
        """Whether it installs, upgrades or removes the runner."""
        words = (f"{COLLECTION}.install", f"{COLLECTION}.runner", "runner_")
        return self.kind != TASK and any(word in self.text for word in words)


def all_examples() -> list[Example]:
    """Return all examples, those of one source in their order; a command that several pages show is there once."""
    once: dict[str, Example] = {}
    for example in (*_of_plugins(), *_of_pages(), *_of_patterns(), *_of_playbooks()):
        if example.kind == COMMAND:
            once.setdefault(example.text, example)
            continue
        names = itertools.chain([example.name], (f"{example.name} ({number})" for number in itertools.count(2)))
        renamed = (replace(example, name=name) for name in names)
        free = next(each for each in renamed if str(each) not in once)
        once[str(free)] = free
    return list(once.values())


def _of_plugins() -> Iterator[Example]:
    for name in plugins.names("modules"):
        source, text = f"module {name}", plugins.text("modules", name, "EXAMPLES")
        content = yaml.safe_load(text)
        if _is_play(content):
            yield Example(source, content[0]["name"], PLAY, text, content)
            continue
        for task in content:
            yield Example(source, task["name"], TASK, "", task)
    for name in plugins.names("inventory"):
        for document in re.split(r"\n\n(?=# )", plugins.text("inventory", name, "EXAMPLES").strip()):
            title = document.splitlines()[0].removeprefix("# ")
            yield Example(f"inventory {name}", title, INVENTORY, f"{document}\n", yaml.safe_load(document))


def _of_pages() -> Iterator[Example]:
    for page in sorted(itertools.chain.from_iterable(map(_ROOT.glob, _PAGES))):
        source, text = page.relative_to(_ROOT).as_posix(), page.read_text(encoding="utf-8")
        for fence in _FENCE.finditer(text):
            _, language, block = fence.groups()
            if language == "sh":
                yield from _commands(source, block)
            elif language in ("yaml", "yml"):
                heading = re.findall(r"^#+ (.*)$", text[: fence.start()], re.MULTILINE)[-1]
                yield from _of_block(source, heading, dedent(block))
        yield from _commands(source, "\n".join(_IN_TEXT.findall(text)))


class _Loader(yaml.SafeLoader):
    """Takes Ansible's tags, such as `!vault`, with the text as it stands."""


_Loader.add_multi_constructor("!", lambda _loader, _tag, node: node.value)


def _of_block(source: str, title: str, text: str) -> Iterator[Example]:
    try:
        content = _Loader(text).get_single_data()
    except yaml.composer.ComposerError:  # several documents, which are manifests
        return
    if _is_play(content):
        yield Example(source, content[0].get("name", title), PLAY, text, content)
    elif isinstance(content, dict) and str(content.get("plugin", "")).startswith(COLLECTION):
        yield Example(source, title, INVENTORY, text, content)
    elif isinstance(content, dict) and _role_of(content):
        yield Example(source, title, VARIABLES, text, content)
    elif isinstance(content, list) and COLLECTION in text:
        for number, task in enumerate(content):
            yield Example(source, task.get("name", f"{title}.{number}"), TASK, "", task)


def _of_patterns() -> Iterator[Example]:
    for path in sorted((_ROOT / "extensions" / "patterns").glob("*/playbooks/*.meta.yml")):
        for name, spec in yaml.safe_load(path.read_text())["argument_specs"].items():
            content = yaml.safe_load(spec.get("examples", "{}"))
            if content:
                yield Example(path.relative_to(_ROOT).as_posix(), name, VARIABLES, spec["examples"], content)


def _of_playbooks() -> Iterator[Example]:
    """Yield what the comments at the top of a playbook say to add to its command line."""
    for path in sorted((_ROOT / "playbooks").glob("*.yml")):
        comment = " ".join(re.findall(r"^# (.*)$", path.read_text().split("\n- ")[0], re.MULTILINE))
        for option in re.findall(r"-e \S+(?=[ ,.]*)", comment):
            text = f"ansible-playbook {COLLECTION}.{path.stem} {option.rstrip(',.')}"
            yield Example(f"playbooks/{path.name}", text, COMMAND, text, None)


def _commands(source: str, text: str) -> Iterator[Example]:
    for line in text.replace("\\\n", " ").splitlines():
        command = re.sub(r"\s+", " ", re.sub(r"\s# .*", "", line)).strip()
        if _COMMAND.match(command):
            yield Example(source, command, COMMAND, command, None)


def _is_play(content: object) -> bool:
    if not isinstance(content, list):
        return False
    return any(isinstance(part, dict) and {"hosts", *_IMPORTS} & part.keys() for part in content)


_IMPORTS = ("import_playbook", "ansible.builtin.import_playbook")


def _role_of(variables: Iterable[object]) -> str:
    """Return the role of ours that has variables of these names, an empty text if there is none."""
    for path in (_ROOT / "roles").iterdir():
        if all(str(name).startswith(f"{path.name}_") for name in variables):
            return path.name
    return ""


def role_of(example: Example) -> str:
    """Return the role that an example of variables is for."""
    return _role_of(example.content)
