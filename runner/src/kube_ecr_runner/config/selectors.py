"""Label selectors, as the API server takes them in the query of a list or a watch. Pure.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re

from kube_ecr_runner.contract.errors import ResourceError
from kube_ecr_runner.contract.grammar import LABEL_KEY, LABEL_VALUE
from kube_ecr_runner.contract.targets import parse_selector

_REQUIREMENT = re.compile(
    rf"\s*(!\s*{LABEL_KEY}|{LABEL_KEY}(\s*(==?|!=)\s*{LABEL_VALUE}|\s*[<>]\s*[0-9]+"
    rf"|\s+(in|notin)\s*\(\s*{LABEL_VALUE}(\s*,\s*{LABEL_VALUE})*\s*\))?)\s*"
)
_COMMA = re.compile(r",(?![^()]*\))")


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
    try:
        requirements = parse_selector(selector, "selector")
    except ResourceError as error:
        raise SelectorError(str(error)) from None
    if not requirements:
        raise SelectorError("selector: it selects everything; give matchLabels or matchExpressions, or remove it")
    return ",".join(map(str, requirements))


def joined(*selectors: str) -> str:
    """Return what selects what each of the selectors does; an empty one selects everything."""
    return ",".join(filter(None, selectors))
