# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Refuses what YAML does not take for text where text is meant.

Ansible would make text of it: of 0123, which YAML reads as an octal number, "83", of yes "True", of 1.10 "1.1". A name
of these is somebody else's, or nobody's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXTS = ("str", "path")
# Dictionaries of which another program says what their entries are; all others hold texts.
_OF_ANY_KIND = frozenset({"aws_config"})


def options_by_name(specification: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the options of an argument_spec by every name that they can be given by."""
    return {name: option for main, option in specification.items() for name in (main, *(option.get("aliases") or ()))}


def check_texts(specification: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any], within: str = "") -> None:
    """Raise ValueError, naming the option, if an option that takes text is given something else.

    specification has the form of a module's argument_spec; what it does not name is for others to refuse. None stands
    for an option that is not given. No value of a no_log option is in the message.
    """
    options = options_by_name(specification)
    for given, value in values.items():
        option = options.get(given)
        if option is not None and value is not None and given not in _OF_ANY_KIND:
            _check(option, value, f"{within}{given}")


def _check(option: Mapping[str, Any], value: Any, path: str) -> None:
    kind, suboptions = option.get("type") or "str", option.get("options")
    # Ansible takes a text, or a number, for a list.
    if kind == "list" and isinstance(value, (list, tuple)):
        entry = {**option, "type": option.get("elements") or "raw"}
        for number, each in enumerate(value):
            _check(entry, each, f"{path}[{number}]")
    elif kind == "list" and option.get("elements") in _TEXTS:
        _check_text(option, value, path)
    elif kind == "dict" and isinstance(value, Mapping) and suboptions:
        check_texts(suboptions, value, f"{path}.")
    elif kind == "dict" and isinstance(value, Mapping):
        for name, each in value.items():
            _check_text({}, name, path)
            _check_text(option, each, f"{path}.{name}")
    elif kind in _TEXTS:
        _check_text(option, value, path)


def _check_text(option: Mapping[str, Any], value: Any, path: str) -> None:
    if not isinstance(value, str):
        shown = "it" if option.get("no_log") else repr(value)
        raise ValueError(f"{path}: {shown} is {_kind_of(value)} to YAML, no text; put what is meant in quotes")


def _kind_of(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    return "a list" if isinstance(value, (list, tuple)) else "a mapping" if isinstance(value, Mapping) else "a date"
