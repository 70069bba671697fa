"""What tests do to a cluster: make namespaces and custom resources, look at Secrets, wait for a condition."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from kubernetes.client import ApiClient, CoreV1Api, CustomObjectsApi
from kubernetes.client.exceptions import ApiException
from kubernetes.config import new_client_from_config

from tests.support.aws.endpoint import Principal
from tests.support.cluster.control_plane import ControlPlane

GROUP, VERSION = "aws.zakariaamine.com", "v1alpha2"
NAMESPACED, CLUSTER, LEGACY = "AWSECRImagePullSecret", "ClusterAWSECRImagePullSecret", "AWSECRCredential"
_KINDS = {
    NAMESPACED: (VERSION, "awsecrimagepullsecrets"),
    CLUSTER: (VERSION, "clusterawsecrimagepullsecrets"),
    LEGACY: ("v1alpha1", "awsecrcredentials"),
}
_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.05
_counter: Iterator[int] = itertools.count(1)


def pull_secret(
    name: str,
    principal: Principal | None,
    *,
    namespace: str | None = None,
    namespaces: list[str] | None = None,
    secret_name: str = "ecr-login",
    region: str = "eu-west-1",
    registries: list[str] | None = None,
    **access_fields: object,
) -> dict:
    """Return a custom resource: of the namespaced kind with `namespace`, of the cluster kind with `namespaces`.

    The keys of a principal stand in it; `access_fields` are what else is in spec.awsAccess.
    """
    access: dict = {"region": region, **access_fields}
    if principal:
        access |= {"accessKeyId": principal.access_key, "secretAccessKey": principal.secret_key}
    resource: dict = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": NAMESPACED if namespace else CLUSTER,
        "metadata": {"name": name},
        "spec": {"secretName": secret_name, "awsAccess": access},
    }
    if registries:
        resource["spec"]["registries"] = registries
    if namespace:
        resource["metadata"]["namespace"] = namespace
    else:
        resource["spec"]["namespaces"] = namespaces or []
    return resource


def keys_secret(name: str, namespace: str, principal: Principal, **names: str) -> dict:
    """Return a Secret with the keys of a principal, under the names that credentialsSecretRef takes by default."""
    data = {"AWS_ACCESS_KEY_ID": principal.access_key, "AWS_SECRET_ACCESS_KEY": principal.secret_key}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {names.get(key, key): value for key, value in data.items()},
    }


def service_account(name: str, namespace: str, role_arn: str | None = None) -> dict:
    """Return a service account, with the annotation that names its role if one is given."""
    annotations = {"annotations": {"eks.amazonaws.com/role-arn": role_arn}} if role_arn else {}
    metadata = {"name": name, "namespace": namespace, **annotations}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def encoded(principal: Principal) -> Principal:
    """Return the principal with its keys as the Go operator's webhook leaves them in a resource."""
    keys = (base64.b64encode(key.encode()).decode() for key in (principal.access_key, principal.secret_key))
    return Principal(*keys, principal.account)


def condition(resource: dict, kind: str) -> dict:
    """Return a condition of a resource, empty if there is none, or none of this generation yet."""
    status = resource.get("status", {})
    if status.get("observedGeneration") != resource["metadata"]["generation"]:
        return {}
    return next((each for each in status["conditions"] if each["type"] == kind), {})


class RefusalError(Exception):
    """What the API server says of a resource that it does not take."""


class Cluster:
    """A control plane as one test sees it; `clear()` removes the test's namespaces and all custom resources."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.kubeconfig = str(plane.kubeconfig)
        client: ApiClient = new_client_from_config(config_file=self.kubeconfig)
        self.core = CoreV1Api(client)
        self._custom = CustomObjectsApi(client)
        self._namespaces: list[str] = []
        self._held: list[str] = []

    def kubectl(self, *args: str, stdin: str = "") -> str:
        """Run kubectl as a user would; raises KubectlError."""
        return self.plane.kubectl(*args, stdin=stdin)

    def names(self, *prefixes: str) -> list[str]:
        """Return names of namespaces that no other test uses; those that come to exist are removed at the end."""
        number = next(_counter)
        names = [f"{prefix}-{number}" for prefix in prefixes]
        self._namespaces += names
        return names

    def namespaces(self, *prefixes: str) -> list[str]:
        """Make a namespace for each prefix and return their names."""
        names = self.names(*prefixes)
        for name in names:
            self.make_namespace(name)
        return names

    def make_namespace(self, name: str) -> None:
        """Make one namespace of a name from `names`."""
        self.core.create_namespace({"metadata": {"name": name}})

    def remove_at_end(self, name: str) -> None:
        """Remove a namespace at the end that has no name from `names`, such as one that a document names."""
        self._namespaces.append(name)

    def terminating_namespace(self, name: str) -> None:
        """Make a namespace that stays Terminating until `clear`, held by a foreign finalizer on an object in it."""
        self.make_namespace(name)
        self._held.append(name)
        held = {"metadata": {"name": "held", "finalizers": ["example.com/held"]}}
        self.core.create_namespaced_config_map(name, held)
        self.core.delete_namespace(name)
        self.wait(
            lambda: self.core.read_namespace(name).status.phase == "Terminating", f"namespace {name} is Terminating"
        )

    def apply(self, *manifests: dict) -> str:
        """kubectl apply, as a user does it; raises KubectlError with what the API server says."""
        return self.kubectl(
            "apply", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": manifests})
        )

    def offer(self, resource: dict) -> None:
        """Ask the API server whether it takes a custom resource, as strictly as kubectl does, without storing it.

        Raises RefusalError. This takes a tenth of the time of `apply`.
        """
        version, plural = _KINDS[resource["kind"]]
        namespace = resource["metadata"].get("namespace")
        options = {"dry_run": "All", "field_validation": "Strict"}
        try:
            if namespace:
                create = self._custom.create_namespaced_custom_object
                create(GROUP, version, namespace, plural, resource, **options)
            else:
                self._custom.create_cluster_custom_object(GROUP, version, plural, resource, **options)
        except ApiException as error:
            raise RefusalError(json.loads(error.body)["message"]) from None

    def resource(self, kind: str, name: str, namespace: str = "") -> dict:
        """Return a custom resource."""
        version, plural = _KINDS[kind]
        if namespace:
            return self._custom.get_namespaced_custom_object(GROUP, version, namespace, plural, name)
        return self._custom.get_cluster_custom_object(GROUP, version, plural, name)

    def resources(self, kind: str) -> list[dict]:
        """Return all custom resources of a kind."""
        return self._custom.list_cluster_custom_object(GROUP, *_KINDS[kind])["items"]

    def wait_ready(self, kind: str, name: str, namespace: str = "", status: str = "True") -> dict:
        """Wait until Ready has that status for the present generation; return the resource."""
        self.wait(
            lambda: condition(self.resource(kind, name, namespace), "Ready").get("status") == status,
            f"{kind} {name} has Ready={status}",
        )
        return self.resource(kind, name, namespace)

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        """Delete a custom resource."""
        version, plural = _KINDS[kind]
        if namespace:
            self._custom.delete_namespaced_custom_object(GROUP, version, namespace, plural, name)
        else:
            self._custom.delete_cluster_custom_object(GROUP, version, plural, name)

    def create(self, manifest: dict) -> None:
        """Make one custom resource, without the time that kubectl takes to start."""
        version, plural = _KINDS[manifest["kind"]]
        namespace = manifest["metadata"].get("namespace")
        if namespace:
            self._custom.create_namespaced_custom_object(GROUP, version, namespace, plural, manifest)
        else:
            self._custom.create_cluster_custom_object(GROUP, version, plural, manifest)

    def annotate(self, kind: str, name: str, namespace: str, key: str, value: str) -> None:
        """Annotate a custom resource of a namespace; kubectl would take a tenth of a second for each of many."""
        patch = {"metadata": {"annotations": {key: value}}}
        options = {"_content_type": "application/merge-patch+json"}
        version, plural = _KINDS[kind]
        self._custom.patch_namespaced_custom_object(GROUP, version, namespace, plural, name, patch, **options)

    def secret(self, namespace: str, name: str = "ecr-login") -> dict | None:
        """Return a Secret as the API server holds it, or None."""
        try:
            answer = self.core.read_namespaced_secret(name, namespace, _preload_content=False)
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return json.loads(answer.data)

    def config(self, namespace: str, name: str = "ecr-login") -> dict:
        """Return the docker config of a pull secret, parsed."""
        secret = self.secret(namespace, name)
        assert secret is not None, f"no Secret {name} in namespace {namespace}"
        return json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))

    def events(self, name: str) -> list[tuple[str, str]]:
        """Return reason and text of the events of a resource, the oldest first."""
        found = self.core.list_event_for_all_namespaces(field_selector=f"involvedObject.name={name}").items
        ordered = sorted(found, key=lambda each: each.metadata.resource_version)
        return [(each.reason, each.message) for each in ordered]

    def age_secret(
        self, namespace: str, name: str = "ecr-login", *, dead: bool = False, by: timedelta | None = None
    ) -> None:
        """Make a pull secret one whose token has lived half of its life, or all of it, or is that much older.

        This is done as who wrote it, so that it does not look edited.
        """
        secret = self.secret(namespace, name)
        assert secret is not None
        metadata = secret["metadata"]
        (manager,) = (each["manager"] for each in metadata.pop("managedFields") if each["operation"] == "Apply")
        past = {f"{GROUP}/renew-after": "2020-01-01T00:00:00Z"} | ({"expiry": "2020-01-02T00:00:00Z"} if dead else {})
        if by is not None:
            times = {name: datetime.fromisoformat(metadata["annotations"][name]) for name in ("expiry", *past)}
            past = {name: f"{time - by:%Y-%m-%dT%H:%M:%SZ}" for name, time in times.items()}
        metadata["annotations"] |= past
        self.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=json.dumps(secret))

    def wait_account(self, namespace: str) -> None:
        """Wait until a namespace has the service account `default`: before that it takes no pod."""
        found = ("get", "sa", "default", "-n", namespace, "--ignore-not-found")
        self.wait(lambda: self.kubectl(*found), f"the service account of namespace {namespace} is made")

    def wait(self, condition: Callable[[], object], what: str, timeout: float = _WAIT_SECONDS) -> None:
        """Return once `condition()` is true; raises AssertionError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"still not so after {timeout:g} s: {what}"
            time.sleep(_POLL_SECONDS)

    def clear(self) -> None:
        """Remove what the test made."""
        self.clear_resources()
        release = {"metadata": {"finalizers": None}}
        for name in self._held:
            self.core.patch_namespaced_config_map("held", name, release)
        for name in self._namespaces:
            self._delete_namespace(name)

    def clear_resources(self) -> None:
        """Remove all custom resources."""
        for kind in _KINDS:
            self._delete_all(kind)

    def _delete_all(self, kind: str) -> None:
        """Nobody is there any more to undo what a finalizer waits for."""
        version, plural = _KINDS[kind]
        for each in self._custom.list_cluster_custom_object(GROUP, version, plural)["items"]:
            metadata = each["metadata"]
            name, namespace = metadata["name"], metadata.get("namespace", "")
            if metadata.get("finalizers"):
                scope = ("-n", namespace) if namespace else ()
                patch = '{"metadata": {"finalizers": null}}'
                self.kubectl("patch", f"{plural}.{GROUP}", name, *scope, "--type=merge", "-p", patch)
            if not metadata.get("deletionTimestamp"):
                self.delete(kind, name, namespace)

    def _delete_namespace(self, name: str) -> None:
        """Delete it without waiting; some are gone already, or were never made."""
        try:
            self.core.delete_namespace(name, _preload_content=False)
        except ApiException as error:
            if error.status not in (404, 409):
                raise
