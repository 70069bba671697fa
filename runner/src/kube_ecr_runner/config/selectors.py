"""Label selectors of watches.yaml, as the API server takes them in the query of a list or a watch. Pure.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

from kube_ecr_runner.contract.errors import ResourceError
from kube_ecr_runner.contract.targets import parse_selector


class SelectorError(ValueError):
    """It is no label selector; the text says which part is wrong."""


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
