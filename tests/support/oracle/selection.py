"""Label selectors and labels for property tests, and what globs and selectors match by their definition."""

from __future__ import annotations

from hypothesis import strategies as st

KEYS = st.sampled_from(["team", "tier", "example.com/team"])
VALUES = st.sampled_from(["", "a", "b", "c"])
LABELS = st.dictionaries(KEYS, VALUES)


def _expression(key: str, operator: str, values: list[str]) -> dict:
    return {"key": key, "operator": operator, **({"values": values} if operator.endswith("In") else {})}


_OPERATORS = st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"])
_EXPRESSIONS = st.builds(_expression, KEYS, _OPERATORS, st.lists(VALUES, min_size=1, max_size=3))
SELECTORS = st.fixed_dictionaries(
    {}, optional={"matchLabels": LABELS, "matchExpressions": st.lists(_EXPRESSIONS, max_size=3)}
)


def glob_matches(glob: str, name: str) -> bool:
    """Return whether a glob matches a name, going through the characters of the glob one after the other."""
    reached = {0}  # how much of the name may be matched so far
    for character in glob:
        if character == "*":
            reached = set(range(min(reached), len(name) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if at < len(name) and character in ("?", name[at])}
    return len(name) in reached


def selector_matches(selector: dict, labels: dict[str, str]) -> bool:
    """Return whether labels match a selector, as the reference of the API defines each operator."""
    conditions = [_expression(key, "In", [value]) for key, value in selector.get("matchLabels", {}).items()]
    return all(_is_fulfilled(condition, labels) for condition in conditions + selector.get("matchExpressions", []))


def _is_fulfilled(condition: dict, labels: dict[str, str]) -> bool:
    key, values = condition["key"], condition.get("values", [])
    match condition["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def text_matches(selector: str, labels: dict[str, str]) -> bool:
    """Return whether labels match a selector in the syntax of kubectl -l, read from left to right."""
    rest = selector
    while rest:
        condition, rest = _next_condition(rest)
        if not _is_fulfilled(condition, labels):
            return False
    return True


def _next_condition(text: str) -> tuple[dict, str]:
    if " in (" in text.partition(",")[0] or " notin (" in text.partition(",")[0]:
        head, _, tail = text.partition("(")
        values, _, rest = tail.partition(")")
        key, operator = head.split()
        return _expression(key, {"in": "In", "notin": "NotIn"}[operator], values.split(",")), rest.removeprefix(",")
    head, _, rest = text.partition(",")
    if head.startswith("!"):
        return _expression(head[1:], "DoesNotExist", []), rest
    key, is_equality, value = head.partition("=")
    return _expression(key, "In" if is_equality else "Exists", [value]), rest
