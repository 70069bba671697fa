"""The text of watches.yaml: YAML, with variables of the environment as in operator-sdk, and values of Ansible's vault.

Pure. `${NAME}` stands for a variable of the environment; where there is none of that name, it stays as it is. A value
is put into one text or key of the file at a time, so nothing that stands in it changes the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

# How JSON names an encrypted value to Ansible, see ansible.parsing.ajson.
VAULT = "__ansible_vault"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TEXT = "tag:yaml.org,2002:str"


class _Loader(yaml.SafeLoader):
    """Reads what yaml.safe_load() reads, and values of the vault. Every mistake is a yaml.YAMLError."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return what a node stands for. Raises yaml.YAMLError."""
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # PyYAML lets through what int(), date() and the like raise, with the value in it.
            raise yaml.constructor.ConstructorError(None, None, "not what it should be", node.start_mark) from None


def _vaulted(_: yaml.SafeLoader, node: yaml.Node) -> dict[str, str]:
    if not isinstance(node, yaml.ScalarNode):
        raise yaml.constructor.ConstructorError(None, None, "!vault needs a text", node.start_mark)
    # ansible-vault indents what it prints for a file.
    return {VAULT: "\n".join(line.strip() for line in str(node.value).splitlines())}


_Loader.add_constructor("!vault", _vaulted)


def read_yaml(text: str, environment: Mapping[str, str]) -> Any:
    """Return what a text in YAML stands for. Raises yaml.YAMLError."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        for node in _nodes(root, set()):
            _expand(node, environment, loader)
        return loader.construct_document(root)
    except RecursionError:
        raise yaml.YAMLError("is nested too deep") from None
    finally:
        loader.dispose()


def _nodes(node: yaml.Node, seen: set[int]) -> Iterator[yaml.ScalarNode]:
    """Yield the texts and keys in a node, each once, wherever aliases name it."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.CollectionNode):
        for child in node.value:
            for each in child if isinstance(node, yaml.MappingNode) else (child,):
                yield from _nodes(each, seen)


def _expand(node: yaml.ScalarNode, environment: Mapping[str, str], loader: _Loader) -> None:
    """Put variables of the environment into a text."""
    before = node.value
    if node.tag != _TEXT:
        return
    node.value = _VARIABLE.sub(lambda found: environment.get(found[1], found[0]), before)
    if node.value != before and node.style is None:
        # Without quotes, a number is a number.
        node.tag = loader.resolve(yaml.ScalarNode, node.value, (True, False))
