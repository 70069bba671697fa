"""Whatever the libraries raise on the way to the API server: a message with object, cause and remedy, never a bug."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader

from ansible_collections.kube_ecr.secrets.plugins.inventory.pull_secrets import InventoryModule
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster import client, connection, kubernetes_core
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.client import Cluster
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.connection import Connection
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features import ecr_pull_secret, ecr_pull_secret_info
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.runtime import execute
from tests.support.cluster.pod import Pod
from tests.support.library_errors import CANARY, check_text, classes, instance, raising

URL = "https://api.example.com"
CLASSES = pytest.mark.parametrize("kind", classes(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")


def module(feature: Any, **options: Any) -> Callable[[], str]:
    """A module, which is also its action plugin: both call this."""
    params = {**dict.fromkeys(feature.argument_spec), "secret_name": "login", "namespaces": ["a"], **options}
    return lambda: execute(feature, params, False, False)["msg"]


class Inventory(InventoryModule):
    """The inventory plugin with an empty file."""

    def _read_config_data(self, path: str) -> dict:
        return {}

    def get_options(self, hostvars: object = None) -> dict:
        return {}

    def get_option(self, option: str, hostvars: object = None) -> list | None:
        return [] if option in ("names", "namespaces") else None


def inventory() -> str:
    with pytest.raises(AnsibleParserError) as caught:
        Inventory().parse(InventoryData(), DataLoader(), "ecr.yml", cache=False)
    return str(caught.value)


@CLASSES
def test_a_request(kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """By the module that lists, that which writes, and the inventory."""
    pool = SimpleNamespace(request=raising(instance(kind)))
    cluster = Cluster(Connection(URL, pool, "the file ca.crt", "", lambda: "Bearer x"))
    monkeypatch.setattr(client, "_connect", lambda *_: cluster)
    with pytest.raises(KubernetesError) as caught:
        cluster.read_object("Secret", "a", "login")
    assert caught.value.status == 0
    for text in (str(caught.value), module(ecr_pull_secret_info.FEATURE)(), inventory()):
        check_text(text, URL, "the proxy", "the bearer token")
    removal = module(ecr_pull_secret.FEATURE, state="absent", authorizations=[])
    check_text(removal(), URL, "the proxy", "the bearer token", "the Secret")


@CLASSES
@pytest.mark.parametrize("place", ["kubeconfig", "pool"])
def test_a_kubeconfig(place: str, kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"kubeconfig": "/etc/config", "host": None}
    if place == "kubeconfig":
        monkeypatch.setattr(kubernetes_core.core_client, "_create_configuration", raising(instance(kind)))
    else:
        monkeypatch.setattr(kubernetes_core, "RESTClientObject", raising(instance(kind)))
        given = {"host": URL, "api_key": "token", "kubeconfig": None}
    with pytest.raises(KubernetesError) as caught:
        kubernetes_core.load({name: value for name, value in given.items() if value})
    check_text(str(caught.value), "/etc/config", "the options that go with host")


@CLASSES
def test_a_pod(kind: type[Exception], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pod = Pod(tmp_path, monkeypatch)
    pod.token.write_text("token")
    pod.ca.write_text("a CA")
    pod.reach(URL)
    monkeypatch.setattr(connection, "tls_context", raising(instance(kind)))
    with pytest.raises(KubernetesError) as caught:
        connection.of_pod()
    assert any(each in str(caught.value) for each in ("the CA", str(pod.ca), "the proxy"))
    assert CANARY not in str(caught.value)


def test_each_class_has_a_stand_in() -> None:
    """The classes are found in the libraries: one that is new, and cannot be made, fails here by its name."""
    assert {ssl.SSLCertVerificationError, FileNotFoundError} < set(classes())
    for kind in classes():
        assert isinstance(instance(kind), kind)
