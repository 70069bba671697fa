"""The form of our Secrets: whoever reads pull secrets pulls with them. docs/consumers.md says who that is."""

from __future__ import annotations

import base64
import json
import re

from tests.conftest import ROOT
from tests.support.aws.endpoint import Principal
from tests.support.cluster.objects import Cluster
from tests.support.cluster.placement import foreign, placed
from tests.support.harness.ansible import Ansible
from tests.support.registry.consumers import pull_with, versions
from tests.support.registry.server import Registry

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
IMAGE, CHART = "team/app:1", "app"
OTHERS = {"ghcr.io": {"auth": "bWU6Y2FuYXJ5"}}
# Of a part of our registry, with a password that nobody takes.
DEAD = {f"{HOST}/team": {"auth": base64.b64encode(b"AWS:canary").decode()}}


def test_everybody_pulls_with_a_secret_of_ours_and_with_one_that_we_merged_into(
    ansible: Ansible, cluster: Cluster, principal: Principal, registry: Registry
) -> None:
    """Where somebody else has a login for a part of the registry, those fail that the warning names."""
    registry.push(HOST, IMAGE)
    registry.push_chart(HOST, CHART)
    own, merged, shadowed = cluster.namespaces("own", "merged", "shadowed")
    foreign(cluster, merged, {"auths": OTHERS})
    foreign(cluster, shadowed, {"auths": OTHERS | DEAD})
    cluster.apply(
        placed("own", principal, namespace=own),
        placed("app", principal, [merged, shadowed], existingSecretPolicy="Merge"),
    )
    ansible.reconcile()

    found = {
        namespace: pull_with(registry, cluster.secret(namespace) or {}, HOST, IMAGE, CHART)
        for namespace in (own, merged, shadowed)
    }
    last = found.pop(shadowed)
    assert found == {namespace: dict.fromkeys(versions(), "") for namespace in (own, merged)}
    assert {name for name, error in last.items() if error} == {
        "containers/image",
        "go-containerregistry for Kubernetes",
    }
    assert all("401" in error for error in last.values() if error)
    assert "canary" not in json.dumps(last)


def test_the_page_names_the_versions_that_are_run() -> None:
    page = (ROOT / "docs" / "consumers.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", page.partition("## What was run")[2], re.MULTILINE))
    told = {name: found.removeprefix("v").removesuffix("+incompatible") for name, found in versions().items()}
    assert {name: rows.get(name) for name in told} == told
