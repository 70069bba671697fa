"""What modules return, compared with RETURN: of each result, and of many results taken together.

RETURN says of a key when it is returned: `always`, `success`, `failure`, or in other words, and then it may be missing.
Keys in `contains` are always there unless they say so in the same way. A value may be null where the description says
C(null). What every module may return is not in RETURN:
https://docs.ansible.com/ansible/latest/reference_appendices/common_return_values.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from tests.support.documentation import plugins

# What Ansible itself, callbacks of ours for the tests, and keywords of tasks (until, async) add to a result.
COMMON = frozenset(
    {
        *("changed", "failed", "msg", "diff", "warnings", "deprecations", "exception", "invocation"),
        *("attempts", "retries", "failed_when_result", "ansible_job_id", "results_file", "started", "finished"),
        *("stdout", "stdout_lines", "stderr", "stderr_lines"),
    }
)
_TYPES: Mapping[str, type] = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict}
_NULL = "=null"
Documented = Mapping[str, Mapping[str, Any]]


@cache
def documented(module: str) -> Documented:
    """Return what a module returns as RETURN has it, with what it refers to in its place."""
    found = plugins.documentation(module, "RETURN")
    if module == "ecr_reconcile":
        # "Beside these keys, an entry has what ecr_pull_secret returns", and the calls are those of ecr_token.
        entry, other = found["resources"]["contains"], documented("ecr_pull_secret")
        found["resources"] = {**found["resources"], "contains": {**other, **entry}}
        found["calls"] = {**found["calls"], "contains": documented("ecr_token")["calls"]["contains"]}
    return found


def problems(module: str, result: Mapping[str, Any], *, has_failed: bool = False) -> list[str]:
    """Return what a result has that RETURN does not, and what it lacks of what RETURN promises.

    A task that was refused before the module began, such as one with a wrong option, has a message and nothing else.
    """
    found = {name: value for name, value in result.items() if name not in COMMON and not name.startswith("_ansible")}
    if not found and has_failed:
        return []
    outcome = "failure" if has_failed else "success"
    return [f"{module}: {problem}" for problem in _problems(documented(module), found, "", outcome)]


def _problems(promised: Documented, found: Mapping[str, Any], path: str, outcome: str) -> Iterator[str]:
    for name in sorted(found.keys() - promised.keys()):
        yield f"{path}{name} is returned, and not documented"
    for name, key in promised.items():
        when = key.get("returned", "always")
        if name in found:
            if when in ("success", "failure") and when != outcome:
                yield f"{path}{name} is returned with {outcome}, and documented for {when}"
            yield from _problems_of_value(key, found[name], f"{path}{name}", outcome)
        elif when in ("always", outcome):
            yield f"{path}{name} is not returned, and documented for {when}"


def _problems_of_value(key: Mapping[str, Any], value: object, path: str, outcome: str) -> Iterator[str]:
    if value is None:
        if not _may_be_null(key):
            yield f"{path} is null, and the description says nothing of C(null)"
    elif type(value) is not _TYPES[key["type"]]:
        yield f"{path} is of type {type(value).__name__}, and documented as {key['type']}"
    elif isinstance(value, list):
        for each in value:
            yield from _problems_of_value(
                {**key, "type": key["elements"], "description": ""}, each, f"{path}[]", outcome
            )
    elif isinstance(value, dict) and "contains" in key:
        yield from _problems(key["contains"], value, f"{path}.", outcome)


def _may_be_null(key: Mapping[str, Any]) -> bool:
    return "C(null)" in str(key.get("description"))


def promises(module: str) -> set[str]:
    """Return the paths of all keys that a module documents, and of those that may be null once more with `=null`.

    What it documents by a reference to another module is left to that one.
    """
    return set(_promises(plugins.documentation(module, "RETURN"), ""))


def _promises(keys: Documented, path: str) -> Iterator[str]:
    for name, key in keys.items():
        yield f"{path}{name}"
        if _may_be_null(key):
            yield f"{path}{name}{_NULL}"
        yield from _promises(key.get("contains", {}), f"{path}{name}.")


def seen(results: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the paths of all keys that had a value in one of the results; an empty list or text is none."""
    return {path for result in results for path in _seen(result, "")}


def _seen(found: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, value in found.items():
        if value is None:
            yield f"{path}{name}{_NULL}"
        elif value or value in (False, 0):
            yield f"{path}{name}"
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                yield from _seen(each, f"{path}{name}.")


def problems_of_run(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the problems of all results of modules of ours in what the callback `record` noted of a run."""
    found: list[str] = []
    for each in results:
        name = str(each.get("action", "")).removeprefix(f"{plugins.COLLECTION}.")
        # Of an item of a loop, Ansible adds the variable of the loop, and its name.
        loop = {"ansible_loop_var", each["result"].get("ansible_loop_var")}
        result = {key: value for key, value in each["result"].items() if key not in loop}
        # A loop as a whole holds the results that came before; a job was only started; no_log hides a result.
        is_whole = not ({"results", "censored"} & result.keys()) and each["status"] != "skipped"
        is_job = "ansible_job_id" in result and result.get("finished") in (0, False)
        if name in plugins.names("modules") and is_whole and not is_job:
            found += problems(name, result, has_failed="failed" in each["status"])
    return found
