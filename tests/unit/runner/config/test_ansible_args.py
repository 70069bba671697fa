"""--ansible-args: what is handed on to ansible-playbook, and what is refused with what to do instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from kube_ecr_runner.config.ansible_args import parse_arguments
from kube_ecr_runner.config.option_types import readable, variables_in
from kube_ecr_runner.model.ansible_arguments import AnsibleArguments

HERE = Path.cwd()


def parse(
    text: str,
    can_read: Callable[[str], bool] = lambda _: True,
    names_in: Callable[[str], Collection[str]] = lambda _: (),
) -> AnsibleArguments:
    return parse_arguments(text, can_read, names_in)


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
    assert parse(text) == AnsibleArguments(arguments)


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
    assert parse(text, lambda path: path == file) == AnsibleArguments((argument,), (file,), has_password)
    with pytest.raises(ValueError, match=rf": {file} cannot be read; correct the path or its rights"):
        parse(text, lambda _: False)


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
        ("--vault-password-file ''", "--vault-password-file names no file"),
        ("-e @", "--extra-vars names no file"),
        ("-T soon", "--timeout: 'soon' is no whole number of seconds"),
        ("'", "is not quoted as for a shell: No closing quotation"),
    ],
)
def test_what_would_change_a_run_is_refused_with_what_to_do_instead(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        parse(text)
    assert "canary" not in str(refused.value)


def test_a_file_may_not_set_what_the_inventory_sets() -> None:
    assert parse("-e @/more.yml", names_in=lambda _: {"color"}).arguments == ("--extra-vars=@/more.yml",)
    with pytest.raises(ValueError, match=r"--extra-vars: /more\.yml sets pull_secrets, which the playbook itself sets"):
        parse("-e @/more.yml", names_in=lambda path: {"color", "pull_secrets"} if path == "/more.yml" else ())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("color: {shade: !vault x}\n'2': !unsafe y\n", {"color", "2"}),
        ('{"a": 1}', {"a"}),
        ("", set()),
        ("$ANSIBLE_VAULT;1.1;AES256\n00\n", set()),
    ],
)
def test_variables_of_a_file_are_known_unless_it_is_encrypted(text: str, names: set[str], tmp_path: Path) -> None:
    path = tmp_path / "more.yml"
    path.write_text(text)
    assert variables_in(str(path)) == names


@pytest.mark.parametrize(
    ("content", "cause"), [(b"- a", "holds no mapping"), (b"a: [", "is not valid YAML"), (b"\xff", "is not valid YAML")]
)
def test_what_is_no_file_of_variables_is_refused_by_its_name(content: bytes, cause: str, tmp_path: Path) -> None:
    path = tmp_path / "more.yml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path} {cause}"):
        variables_in(str(path))


def test_a_folder_is_no_file_to_read(tmp_path: Path) -> None:
    assert not readable(str(tmp_path))
    (tmp_path / "pw").touch()
    assert readable(str(tmp_path / "pw"))
