"""Where Secrets are looked for: by our label while that finds what the status counts, else wherever they may be."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import Item
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.observe import observe
from tests.support.cluster.stored_secrets import DESIRED, GROUP, NOW, OWNER, own_secret

LABELS, TYPE, NAME = (
    f"{GROUP}/owner in (shared,uid-1)",
    "type=kubernetes.io/dockerconfigjson",
    "metadata.name=ecr-login",
)
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
        return [each for each in found if not label_selector or f"{GROUP}/owner" in each["labels"]]


def stripped(namespace: str) -> dict:
    secret = deepcopy(own_secret(namespace=namespace))
    secret["metadata"]["labels"] = {"team": "a"}
    return secret


@pytest.mark.parametrize(
    ("cluster", "served", "selected", "held"),
    [
        pytest.param(Secrets(own_secret()), {"uid-1": 1}, [LABELS], 1, id="all that the status counts"),
        pytest.param(Secrets(own_secret()), {"uid-1": 0}, [LABELS], 1, id="more than that"),
        pytest.param(
            Secrets(own_secret(), stripped("team-b")), {"uid-1": 2}, [LABELS, TYPE], 2, id="one without the label"
        ),
        pytest.param(Secrets(own_secret(), stripped("team-b")), {}, [TYPE], 2, id="no status"),
        pytest.param(Secrets(refused=(LABELS,)), {"uid-1": 1}, [LABELS, NAME], 0, id="no right to list all"),
        pytest.param(Secrets(own_secret(), refused=(TYPE,)), {}, [TYPE, NAME], 1, id="neither, and no status"),
        pytest.param(Secrets(refused=(LABELS, TYPE, NAME)), {"uid-1": 1}, [LABELS, NAME], None, id="no right at all"),
    ],
)
def test_where_secrets_are_looked_for(
    cluster: Secrets, served: dict[str, int], selected: list[str], held: int | None
) -> None:
    (observed,) = observe(cluster, [ITEM], NOW, served=served)
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
