"""Where Secrets are looked for: by our label while that finds what the status counts, else wherever they may be."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import Item
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.ownership import resource_label
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.observe import observe
from tests.support.cluster.stored_secrets import DESIRED, GROUP, NOW, OWNER, own_secret

LABELS, RESOURCE, TYPE, NAME = (
    f"{GROUP}/owner in (shared,uid-1)",
    f"{GROUP}/resource-digest in ({resource_label(str(OWNER))})",
    "type=kubernetes.io/dockerconfigjson",
    "metadata.name=ecr-login",
)
OTHER_TYPES = f"{GROUP}/owner"
ITEM = Item(
    owner=OWNER,
    reference=str(OWNER),
    identity=DESIRED.identity,
    registries=DESIRED.registries,
    secret_name="ecr-login",
    namespaces=("team-a", "team-b"),
)


class Secrets:
    """A cluster that holds Secrets; the label selector finds those with the label, a field selector all."""

    def __init__(self, *secrets: dict, refused: tuple[str, ...] = ()) -> None:
        self.secrets = secrets
        self.refused = refused
        self.selected: list[str] = []

    def list_metadata(self, _plural: str, label_selector: str = "", field_selector: str = "", namespace: str = ""):
        self.selected.append(label_selector or field_selector)
        if self.selected[-1] in self.refused:
            raise KubernetesError("list", 403, "Forbidden", "no")
        found = [secret["metadata"] for secret in self.secrets]
        return [each for each in found if not label_selector or label_selector.partition(" ")[0] in each["labels"]]


def stripped(namespace: str) -> dict:
    secret = deepcopy(own_secret(namespace=namespace))
    secret["metadata"]["labels"] = {"team": "a"}
    return secret


@pytest.mark.parametrize(
    ("cluster", "served", "is_pass", "selected", "held"),
    [
        pytest.param(Secrets(own_secret()), {"uid-1": 1}, True, [LABELS], 1, id="all that the status counts"),
        pytest.param(Secrets(own_secret()), {"uid-1": 0}, True, [LABELS], 1, id="more than that"),
        pytest.param(
            Secrets(own_secret(), stripped("team-b")),
            {"uid-1": 2},
            False,
            [LABELS, TYPE, OTHER_TYPES],
            2,
            id="one without the label",
        ),
        pytest.param(Secrets(own_secret()), {}, False, [LABELS, RESOURCE], 1, id="no status, while somebody waits"),
        pytest.param(
            Secrets(own_secret(), stripped("team-b")), {}, True, [TYPE, OTHER_TYPES], 2, id="no status, in a pass"
        ),
        pytest.param(Secrets(refused=(LABELS,)), {"uid-1": 1}, True, [LABELS, NAME], 0, id="no right to list all"),
        pytest.param(Secrets(own_secret(), refused=(TYPE,)), {}, True, [TYPE, NAME], 1, id="neither, and no status"),
        pytest.param(
            Secrets(refused=(LABELS, TYPE, NAME)), {"uid-1": 1}, True, [LABELS, NAME], None, id="no right at all"
        ),
    ],
)
def test_where_secrets_are_looked_for(
    cluster: Secrets, served: dict[str, int], is_pass: bool, selected: list[str], held: int | None
) -> None:
    cluster.selected.clear()  # the tests may run twice in a process, as for mutants
    (observed,) = observe(cluster, [replace(ITEM, is_pass=is_pass)], NOW, served=served)
    assert cluster.selected == selected
    assert (None if observed.secrets is None else len(observed.secrets)) == held


def test_what_an_earlier_resource_left_is_known_and_has_to_be_read() -> None:
    """Of its content the metadata tells nothing."""
    left = deepcopy(own_secret(namespace="team-c"))
    left["metadata"]["ownerReferences"] = []
    successor = replace(ITEM, owner=replace(OWNER, uid="uid-new"))
    (observed,) = observe(Secrets(left), [successor], NOW)
    assert observed.secrets is not None
    assert [(each["namespace"], each["is_intact"]) for each in observed.secrets] == [("team-c", False)]
