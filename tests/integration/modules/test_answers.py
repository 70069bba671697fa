"""What a real API server answers to each call of the modules is taken for what was meant."""

from __future__ import annotations

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster import client
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from tests.support.aws.endpoint import Principal
from tests.support.cluster.api_proxy import APIProxy
from tests.support.cluster.objects import NAMESPACED, Cluster, pull_secret


def test_all_calls(cluster: Cluster, proxy: APIProxy, principal: Principal) -> None:
    (own,) = cluster.namespaces("own")
    cluster.create(pull_secret("app", principal, namespace=own))
    api = client.connect({"kubeconfig": str(proxy.kubeconfig)})
    data, kind = {".dockerconfigjson": "e30="}, "kubernetes.io/dockerconfigjson"
    metadata = {"name": "login", "namespace": own}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": data}

    assert api.read_object("Secret", own, "login") is None
    assert api.apply_secret(manifest, "me", force=False, dry_run=True)
    assert api.apply_secret(manifest, "me", force=False, dry_run=False)
    assert not api.apply_secret(manifest, "me", force=True, dry_run=False)
    patch = {"metadata": {"labels": {"x": "y"}}, "data": {"more": "e30="}}
    assert api.patch_object("Secret", own, "login", patch, dry_run=False)["data"] == {**data, "more": "e30="}
    assert api.patch_object("Secret", own, "login", {"data": {"more": None}}, dry_run=True)["data"] == data
    (found,) = api.list_metadata("secrets", label_selector="x=y", namespace=own)
    for dry_run in (True, False):
        api.delete_secret(own, "login", found["resourceVersion"], dry_run=dry_run)
    assert api.read_object("Secret", own, "login") is None

    assert [account["metadata"]["name"] for account in api.list_service_accounts(own)] == ["default"]
    api.patch_object("ServiceAccount", own, "default", {"imagePullSecrets": [{"name": "login"}]}, dry_run=False)
    assert api.create_token(own, "default", "sts.amazonaws.com").count(".") == 2
    assert own in {namespace["name"] for namespace in api.list_metadata("namespaces")}
    assert api.injecting_kinds() is not None

    resource = api.read_resource(NAMESPACED, own, "app")["metadata"]
    named = {"kind": NAMESPACED, "namespace": own, "name": "app", "uid": resource["uid"]}
    for is_wanted in (True, True, False, False):
        api.set_finalizer(named, "kube-ecr.example.com/x", is_wanted=is_wanted)
    assert [item["metadata"]["name"] for item in api.list_resources(NAMESPACED, namespace=own)] == ["app"]


def test_kind_that_the_api_server_does_not_know_is_no_answer_of_a_proxy(cluster: Cluster, proxy: APIProxy) -> None:
    """It answers so in plain text, and so do proxies written in Go."""
    cluster.namespaces("own")
    api = client.connect({"kubeconfig": str(proxy.kubeconfig)})
    for path, what in (("/apis/no.example.com/v1/things", "things"), ("/api/v1/things", "things")):
        with pytest.raises(KubernetesError) as caught:
            api._call("list", path, what, lambda body: body)
        assert caught.value.status == 404
