"""The bundle, installed as OLM would for each of its install modes: what is served, and with which rights."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import CLUSTER, NAMESPACED, Cluster, pull_secret
from tests.support.harness.ansible import Ansible
from tests.support.harness.olm import install
from tests.tools.olm.bundle import write

# Of each install mode, which of the namespaces own, one and two are its targets; none of them are all.
# SingleNamespace is as MultiNamespace, with one.
MODES = {"OwnNamespace": ["own"], "MultiNamespace": ["one", "two"], "AllNamespaces": []}


@pytest.fixture
def roles(cluster: Cluster) -> Iterator[None]:
    """Removes the roles of the cluster that a test makes."""
    kinds = "clusterroles,clusterrolebindings"
    before = set(cluster.kubectl("get", kinds, "-o", "name").split())
    yield
    cluster.kubectl("delete", *(set(cluster.kubectl("get", kinds, "-o", "name").split()) - before))


def refusals(cluster: Cluster) -> float:
    """Return how many requests the API server has refused for want of rights."""
    text = cluster.kubectl("get", "--raw", "/metrics")
    return sum(
        float(each) for each in re.findall(r'^apiserver_request_total\{[^}]*code="403".*\} (\S+)$', text, re.MULTILINE)
    )


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_what_an_install_mode_names_is_served_and_no_right_is_missing(
    mode: str,
    cluster: Cluster,
    aws: AWSEndpoint,
    principal: Principal,
    ansible: Ansible,
    tmp_path: Path,
    roles: None,
) -> None:
    namespaces = dict(zip(("own", "one", "two"), cluster.namespaces("own", "one", "two"), strict=True))
    targets = [namespaces[each] for each in MODES[mode]]
    served = targets or list(namespaces.values())
    write(tmp_path / "bundle")
    env = {"KUBE_ECR_AWS_ENDPOINT_URL": aws.url, "KUBE_ECR_STAND_BY": "false", "KUBE_ECR_LOG_LEVEL": "debug"}
    release = install(cluster, tmp_path / "bundle", namespaces["own"], targets, env)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "builder"}}
    for each in namespaces.values():
        resource = pull_secret("app", principal, namespace=each)
        resource["spec"]["serviceAccounts"] = ["builder"]
        account["metadata"]["namespace"] = each
        cluster.apply(account, resource)
    cluster.apply(pull_secret("shared", principal, secret_name="shared", namespaces=[namespaces["two"]]))
    before = refusals(cluster)
    with tempfile.TemporaryDirectory() as temporary:
        runner = release.runner(ansible, tmp_path / "runner.log", Path(temporary))
        runner.start()
        try:
            for each in served:
                cluster.wait_ready(NAMESPACED, "app", each)
            if not targets:
                cluster.wait_ready(CLUSTER, "shared")
            cluster.core.delete_namespaced_secret("ecr-login", served[-1])
            cluster.wait(lambda: cluster.secret(served[-1]), "what somebody deleted is put back")
            lease = json.loads(cluster.kubectl("get", "lease", release.name, "-n", release.namespace, "-o", "json"))
            assert lease["spec"]["holderIdentity"]
        finally:
            assert runner.stop() == 0
    assert [each for each in namespaces.values() if cluster.secret(each)] == [
        each for each in namespaces.values() if each in served
    ]
    assert bool(cluster.secret(namespaces["two"], "shared")) is not bool(targets)
    assert [line for line in runner.log.splitlines() if "orbidden" in line or " WARNING " in line] == []
    assert refusals(cluster) == before
