"""What a run is given of a play, and how often it plays it."""

from __future__ import annotations

import json

import pytest

from kube_ecr_runner.model.playbook import RECONCILE, ROUNDS, PlaybookSpec


@pytest.mark.parametrize(
    ("playbook", "text"),
    [(PlaybookSpec("a.b.c", variables='{"a": 1}'), "a.b.c"), (PlaybookSpec(role="x.y.z"), "role x.y.z")],
)
def test_log_names_what_is_played(playbook: PlaybookSpec, text: str) -> None:
    assert str(playbook) == text


OURS = {"import_playbook": RECONCILE}
WAITING = {
    "name": "Wait for the next round",
    "hosts": "localhost",
    "gather_facts": False,
    "tasks": [{"name": "Wait for the next round", "ansible.builtin.meta": "refresh_inventory"}],
}
CARRY_ON = {"kube_ecr_carry_on": True}


@pytest.mark.parametrize(
    ("playbook", "rounds", "variables", "plays"),
    [
        (PlaybookSpec(), 1, CARRY_ON, [WAITING, OURS]),
        (PlaybookSpec(), 3, CARRY_ON, [WAITING, OURS, WAITING, OURS, WAITING, OURS]),
        (PlaybookSpec(variables='{"a": "{{ b }}"}'), 1, {"a": "{{ b }}", **CARRY_ON}, [WAITING, OURS]),
        (PlaybookSpec(variables='{"kube_ecr_carry_on": false}'), 1, CARRY_ON, [WAITING, OURS]),
        (
            PlaybookSpec("/opt/site.yml", variables='{"a": 1}'),
            1,
            {"a": 1, **CARRY_ON},
            [WAITING, {"import_playbook": "/opt/site.yml"}],
        ),
        (
            PlaybookSpec(role="x.y.z"),
            1,
            CARRY_ON,
            [
                WAITING,
                OURS,
                {"name": "Run x.y.z", "hosts": "aws_identities", "gather_facts": False, "roles": ["x.y.z"]},
            ],
        ),
    ],
)
def test_files_hold_the_variables_and_the_plays_of_all_rounds(
    playbook: PlaybookSpec, rounds: int, variables: dict, plays: list
) -> None:
    assert playbook.path("/private") == "/private/play.yml"
    files = {name: json.loads(text) for name, text in playbook.files(rounds).items()}
    assert files == {"env/extravars": variables, "play.yml": plays}


@pytest.mark.parametrize(
    ("playbook", "rounds"),
    [
        (PlaybookSpec(), ROUNDS),
        (PlaybookSpec(variables='{"a": 1}'), ROUNDS),
        (PlaybookSpec("a.b.c"), 1),
        (PlaybookSpec(role="x.y.z"), 1),
    ],
)
def test_only_our_own_playbook_is_played_again_in_the_same_process(playbook: PlaybookSpec, rounds: int) -> None:
    assert playbook.rounds == rounds
