"""When a resource itself asks to be reconciled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kube_ecr_runner.controller.triggers.resources import is_due_at_once, was_edited
from kube_ecr_runner.model.resource import Resource
from tests.unit.runner.controller.triggers.builders import failure, make_namespace, make_resource

RESOURCE = make_resource()
NAMESPACES = {name: make_namespace(name) for name in ("ns1", "ns2")}


@pytest.mark.parametrize(
    ("after", "edited"),
    [
        pytest.param(RESOURCE, False, id="as it was"),
        pytest.param(replace(RESOURCE, status={"observedGeneration": 1}), False, id="another status"),
        pytest.param(replace(RESOURCE, generation=2), True, id="another spec"),
        pytest.param(replace(RESOURCE, cleanup=True), True, id="to be cleaned up"),
        pytest.param(replace(RESOURCE, reconcile_request="1"), True, id="annotated"),
    ],
)
def test_resource_was_edited_if_more_than_its_status_is_another(after: Resource, edited: bool) -> None:
    assert was_edited(RESOURCE, after) is edited


HANDLED = replace(RESOURCE, reconcile_request="1", status={"lastHandledReconcileAt": "1"})


@pytest.mark.parametrize(
    ("resource", "due"),
    [
        pytest.param(RESOURCE, False, id="nothing to do"),
        pytest.param(replace(RESOURCE, cleanup=True), True, id="to be cleaned up"),
        pytest.param(replace(RESOURCE, reconcile_request="1"), True, id="annotated"),
        pytest.param(HANDLED, False, id="annotated, and answered"),
        pytest.param(make_resource(RESOURCE.targets, failure("ns2", "NamespaceNotFound")), True, id="namespace came"),
    ],
)
def test_resource_that_is_seen_first_is_due_at_once_if_something_happened_meanwhile(
    resource: Resource, due: bool
) -> None:
    assert is_due_at_once(resource, NAMESPACES) is due
