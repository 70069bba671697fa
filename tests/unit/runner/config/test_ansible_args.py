"""--ansible-args: what is handed on to ansible-playbook, and what is refused with what to do instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kube_ecr_runner.config.ansible_args import parse_arguments
from kube_ecr_runner.model.ansible_arguments import AnsibleArguments

HERE = Path.cwd()


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", ()),
        ("-D --force-handlers", ("--diff", "--force-handlers")),
        ("-u joe -T 5", ("--user=joe", "--timeout=5")),
        ("--ssh-common-args '-o A=b c'", ("--ssh-common-args=-o A=b c",)),
        ("--ssh-extra-args=-4", ("--ssh-extra-args=-4",)),
    ],
)
def test_what_changes_nothing_of_what_is_served_is_handed_on(text: str, arguments: tuple[str, ...]) -> None:
    assert parse_arguments(text, lambda _: True) == AnsibleArguments(arguments)


@pytest.mark.parametrize(
    ("text", "argument", "file", "has_password"),
    [
        ("--vault-password-file pw", f"--vault-password-file={HERE}/pw", f"{HERE}/pw", True),
        ("--vault-pass-file=/a/pw", "--vault-password-file=/a/pw", "/a/pw", True),
        ("--vault-id pw", f"--vault-id={HERE}/pw", f"{HERE}/pw", True),
        ("--vault-id dev@pw@home", f"--vault-id=dev@{HERE}/pw@home", f"{HERE}/pw@home", True),
        ("-e @more.yml", f"--extra-vars=@{HERE}/more.yml", f"{HERE}/more.yml", False),
        ("--key-file ~/key", f"--private-key={Path.home()}/key", f"{Path.home()}/key", False),
    ],
)
def test_files_are_found_from_where_the_runner_works(text: str, argument: str, file: str, has_password: bool) -> None:
    assert parse_arguments(text, lambda path: path == file) == AnsibleArguments((argument,), (file,), has_password)
    with pytest.raises(ValueError, match=rf": {file} cannot be read; correct the path or its rights"):
        parse_arguments(text, lambda _: False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-i hosts", "-i is not supported: the runner makes the inventory; remove it"),
        ("--limit=a", "--limit is not supported: it would hide resources from the run; use --namespaces or"),
        ("-t a", "-t is not supported: tags choose among all tasks of a run"),
        ("--skip-tags a", "--skip-tags is not supported: tags choose among all tasks of a run"),
        ("-D --check", "--check is not supported: use --dry-run of the runner"),
        ("-Cv", "-C is not supported: use --dry-run"),
        ("-vvv", "-v is not supported: use --ansible-verbosity of the runner"),
        ("-f 3", "-f is not supported: use --forks of the runner"),
        ("-b", "-b is not supported: it would hold for the task of the collection, too; write it into your play"),
        ("-J", "-J is not supported: a run has no terminal to ask on; use --vault-password-file"),
        ("--ask-become-pass", "--ask-become-pass is not supported: a run has no terminal to ask on"),
        ("--vault-id dev@prompt", "--vault-id dev@prompt: a run has no terminal to ask on; name a file: dev@FILE"),
        ("--vault-id prompt", "name a file: LABEL@FILE"),
        ("--list-tasks", "--list-tasks is not supported: nothing would be served"),
        ("--flush-cache", "--flush-cache is not supported: no run has a cache"),
        ("-e token=canary", "--extra-vars takes @FILE only, since others see arguments"),
        ("-e", "argument -e/--extra-vars: expected one argument"),
        ("site.yml", "'site.yml' is no option that is handed on to ansible-playbook; remove it"),
        ("--vault-pass pw", "'--vault-pass' is no option that is handed on"),
        ("'", "is not quoted as for a shell: No closing quotation"),
    ],
)
def test_what_would_change_a_run_is_refused_with_what_to_do_instead(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        parse_arguments(text, lambda _: True)
    assert "canary" not in str(refused.value)
