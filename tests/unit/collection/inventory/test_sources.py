"""Why an inventory file of ours is not read, where the plugin is not even asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kube_ecr.secrets.plugins.plugin_utils._sources import PLUGIN, trouble_of, why_none_was_read

OURS = f"plugin: {PLUGIN}\n"
ENABLED = ("host_list", "auto", "yaml")


@pytest.mark.parametrize(
    ("name", "content", "enabled", "trouble"),
    [
        ("ecr.yml", OURS, ENABLED, ""),
        ("ecr.yaml", OURS, ("ini", PLUGIN), ""),
        ("servers.ini", "web1\n", ENABLED, ""),
        ("servers.yml", "all: [", ENABLED, ""),
        ("ecr.conf", OURS, ENABLED, "its name does not end in .yml or .yaml"),
        ("ecr.yml", OURS, ("ini",), f"neither auto nor {PLUGIN} is among the enabled inventory plugins"),
        ("ecr.yml", f"{OURS}names: [a\n", ENABLED, "is not valid YAML (line 3)"),
        ("gone.yml", None, ENABLED, "cannot be read (No such file or directory)"),
    ],
)
def test_trouble_with_a_file(tmp_path: Path, name: str, content: str | None, enabled: tuple[str], trouble: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    found = trouble_of(str(path), enabled)
    assert found.startswith(trouble) if trouble else not found


def test_each_source_is_told_with_the_remedy(tmp_path: Path) -> None:
    told = why_none_was_read([str(tmp_path), "web1,web2", "/gone.yml"], ENABLED)
    assert f"({tmp_path}: holds none; web1,web2: holds none; /gone.yml: cannot be read (No such file" in told
    assert told.endswith(f"Give -i a file whose name ends in .yml, with plugin: {PLUGIN} in it")
    assert "(there is no source)" in why_none_was_read([], ENABLED)
