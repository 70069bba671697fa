"""What a run is given of a play."""

from __future__ import annotations

import json

import pytest

from kube_ecr_runner.model.playbook import RECONCILE, PlaybookSpec


@pytest.mark.parametrize(
    ("playbook", "text"),
    [(PlaybookSpec("a.b.c", variables='{"a": 1}'), "a.b.c"), (PlaybookSpec(role="x.y.z"), "role x.y.z")],
)
def test_log_names_what_is_played(playbook: PlaybookSpec, text: str) -> None:
    assert str(playbook) == text


@pytest.mark.parametrize(
    ("playbook", "path", "files"),
    [
        (PlaybookSpec(), RECONCILE, {}),
        (PlaybookSpec(variables='{"a": "{{ b }}"}'), RECONCILE, {"env/extravars": {"a": "{{ b }}"}}),
        (
            PlaybookSpec("/opt/site.yml", variables='{"a": 1}'),
            "/opt/site.yml",
            {"env/extravars": {"a": 1, "kube_ecr_carry_on": True}},
        ),
        (
            PlaybookSpec(role="x.y.z"),
            "/private/play.yml",
            {
                "env/extravars": {"kube_ecr_carry_on": True},
                "play.yml": [
                    {"import_playbook": RECONCILE},
                    {"name": "Run x.y.z", "hosts": "aws_identities", "gather_facts": False, "roles": ["x.y.z"]},
                ],
            },
        ),
    ],
)
def test_files_hold_the_variables_and_the_play_of_a_role(playbook: PlaybookSpec, path: str, files: dict) -> None:
    assert playbook.path("/private") == path
    assert {name: json.loads(text) for name, text in playbook.files().items()} == files
