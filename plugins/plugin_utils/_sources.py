# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why Ansible read no inventory of the plugin pull_secrets: it only warns, and the plugin was not even asked."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

import yaml

PLUGIN = "kube_ecr.secrets.pull_secrets"
SUFFIXES = (".yml", ".yaml")


def why_none_was_read(sources: Iterable[str], enabled: Collection[str]) -> str:
    """Return, in a line, what is wrong with each source of an inventory, and the remedy.

    sources are what -i names, or what stands for it; enabled are the inventory plugins that Ansible asks.
    """
    found = "; ".join(f"{source}: {trouble_of(source, enabled) or 'holds none'}" for source in sources)
    return (
        f"no inventory of {PLUGIN} was read, so nothing was done ({found or 'there is no source'}). "
        f"Give -i a file whose name ends in .yml, with plugin: {PLUGIN} in it"
    )


def trouble_of(source: str, enabled: Collection[str]) -> str:
    """Return why a source of an inventory cannot be read that may be one of ours, an empty text where nothing is wrong.

    A source that is for another plugin may well be there besides.
    """
    if "," in source or Path(source).is_dir():
        return ""
    try:
        text = Path(source).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"cannot be read ({os.strerror(error.errno or 0)})"
    if PLUGIN not in text:
        return ""
    if not source.endswith(SUFFIXES):
        return "its name does not end in .yml or .yaml"
    if not {"auto", PLUGIN}.intersection(enabled):
        return f"neither auto nor {PLUGIN} is among the enabled inventory plugins (ANSIBLE_INVENTORY_ENABLED)"
    try:
        yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return "is not valid YAML" + (f" (line {mark.line + 1})" if mark else "")
    return ""
