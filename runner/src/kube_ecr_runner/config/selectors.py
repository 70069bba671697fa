"""Label selectors, as the API server takes them in the query of a list or a watch. Pure.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY = rf"([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_NAME}"
_VALUE = rf"({_NAME})?"
_IS_KEY, _IS_VALUE = re.compile(_KEY), re.compile(_VALUE)
_REQUIREMENT = re.compile(
    rf"\s*(!\s*{_KEY}|{_KEY}(\s*(==?|!=)\s*{_VALUE}|\s*[<>]\s*[0-9]+"
    rf"|\s+(in|notin)\s*\(\s*{_VALUE}(\s*,\s*{_VALUE})*\s*\))?)\s*"
)
_COMMA = re.compile(r",(?![^()]*\))")
_FORMS = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})", "Exists": "{key}", "DoesNotExist": "!{key}"}


class SelectorError(ValueError):
    """It is no label selector; the text says which part is wrong."""


def check(text: str) -> str:
    """Return a selector in the syntax of `kubectl -l`, as it is. Raises SelectorError."""
    for part in _COMMA.split(text):
        if not _REQUIREMENT.fullmatch(part):
            raise SelectorError(
                f"{part.strip()!r} is no condition on a label, such as tier=production, tier!=test, 'tier in (a, b)', "
                "tier or '!tier', separated by commas"
            )
    return text.strip()


def text_of(selector: object) -> str:
    """Return the text of a selector that is given with matchLabels and matchExpressions. Raises SelectorError."""
    selector = _mapping(selector, ("matchLabels", "matchExpressions"), "it")
    labels, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or []
    if not isinstance(labels, dict):
        raise SelectorError("matchLabels must be a mapping of labels to values")
    if not isinstance(expressions, list):
        raise SelectorError("matchExpressions must be a list")
    parts = [_equal(key, value) for key, value in labels.items()]
    parts += [_expression(each, f"matchExpressions[{number}]") for number, each in enumerate(expressions)]
    if not parts:
        raise SelectorError("it selects everything; give matchLabels or matchExpressions, or remove it")
    return ",".join(parts)


def joined(*selectors: str) -> str:
    """Return what selects what each of the selectors does; an empty one selects everything."""
    return ",".join(filter(None, selectors))


def _equal(key: object, value: object) -> str:
    _check_key(key, "matchLabels")
    _check_value(value, f"matchLabels: the value of {key}")
    return f"{key}={value}"


def _expression(expression: object, where: str) -> str:
    expression = _mapping(expression, ("key", "operator", "values"), where)
    key, operator, values = expression.get("key"), expression.get("operator"), expression.get("values") or []
    _check_key(key, where)
    if operator not in _FORMS:
        raise SelectorError(f"{where}: operator must be one of {', '.join(_FORMS)}")
    takes_values = "values" in _FORMS[operator]
    if not isinstance(values, list) or bool(values) != takes_values:
        raise SelectorError(f"{where}: operator {operator} takes {'a list of values' if takes_values else 'no values'}")
    for each in values:
        _check_value(each, f"{where}: a value")
    return _FORMS[operator].format(key=key, values=",".join(values))


def _mapping(value: object, keys: tuple[str, ...], where: str) -> Mapping:
    if not isinstance(value, dict):
        raise SelectorError(f"{where} must be a mapping with the keys {', '.join(keys)}")
    for each in value:
        if each not in keys:
            raise SelectorError(f"{where} has the key {each!r}; supported are {', '.join(keys)}")
    return value


def _check_key(key: object, where: str) -> None:
    if not (isinstance(key, str) and _IS_KEY.fullmatch(key)):
        raise SelectorError(f"{where}: {key!r} is no name of a label")


def _check_value(value: object, what: str) -> None:
    if not isinstance(value, str):
        raise SelectorError(f"{what} must be a text; put {value!r} in quotes")
    if not _IS_VALUE.fullmatch(value):
        raise SelectorError(f"{what} cannot be {value!r}: that is no value of a label")
