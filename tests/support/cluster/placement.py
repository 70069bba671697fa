"""What tests about Secrets in the right place share: resources with any field, and what must not change by itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

from kubernetes.client.exceptions import ApiException

from tests.support.aws.endpoint import Principal
from tests.support.cluster.objects import GROUP, Cluster, pull_secret
from tests.support.harness.ansible import Run

WRITE = "Write the pull secrets"
OWNER, MARKS, PLACE = f"{GROUP}/owner", f"{GROUP}/shared", f"{GROUP}/secret"
FINALIZER = f"{GROUP}/cleanup"
DOCKER_CONFIG = "kubernetes.io/dockerconfigjson"


def placed(
    name: str,
    principal: Principal,
    namespaces: list[str] | None = None,
    *,
    namespace: str | None = None,
    registries: list[str] | None = None,
    **spec: object,
) -> dict:
    """Return a custom resource (see pull_secret) with these fields in its spec; without namespaces it has none."""
    resource = pull_secret(name, principal, namespace=namespace, namespaces=namespaces, registries=registries)
    if namespaces is None:
        resource["spec"].pop("namespaces", None)
    resource["spec"] |= spec
    return resource


def states(run: Run, name: str) -> dict[str, str]:
    """Return what became of the target namespaces of a resource."""
    return {each["namespace"]: each["state"] for each in run.items(WRITE)[name]["namespaces"]}


def told(run: Run, name: str, namespace: str) -> dict:
    """Return what the result of a resource says of a namespace."""
    (found,) = (each for each in run.items(WRITE)[name]["namespaces"] if each["namespace"] == namespace)
    return found


def steps(run: Run, name: str, what: str) -> set[tuple[str, str, str]]:
    """Return what was done besides, `removed` or `service_accounts`: namespace, name and state of each."""
    return {(each["namespace"], each["name"], each["state"]) for each in run.items(WRITE)[name][what]}


def foreign(cluster: Cluster, namespace: str, config: object, name: str = "ecr-login", **fields: object) -> dict:
    """Make a pull secret of somebody, with a docker config given as text or to be written as JSON; return it."""
    text = config if isinstance(config, str) else json.dumps(config, indent=1)
    data = {".dockerconfigjson": base64.b64encode(text.encode()).decode()}
    body = {"metadata": {"name": name}, "type": DOCKER_CONFIG, "data": data, **fields}
    cluster.core.create_namespaced_secret(namespace, body)
    made = cluster.secret(namespace, name)
    assert made is not None
    return made


def copied(cluster: Cluster, secret: dict, namespace: str, name: str | None = None) -> dict:
    """Make a copy of a Secret as people do it, with all that its metadata can take along; return it."""
    kept = {each: secret["metadata"][each] for each in ("labels", "annotations", "ownerReferences", "finalizers")
            if each in secret["metadata"]}  # fmt: skip
    name = name or secret["metadata"]["name"]
    body = {"metadata": {**kept, "name": name}, "type": secret["type"], "data": secret["data"]}
    cluster.core.create_namespaced_secret(namespace, body)
    made = cluster.secret(namespace, name)
    assert made is not None
    return made


def make_account(cluster: Cluster, namespace: str, name: str, *entries: dict, bare: bool = True) -> None:
    """Make a service account with these imagePullSecrets; one that is bare has no such field."""
    body: dict = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
    if entries or not bare:
        body["imagePullSecrets"] = list(entries)
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(body))


def apply_account(cluster: Cluster, namespace: str, name: str, manager: str, *names: str, force: bool = False) -> None:
    """Apply a service account server-side as a manager, as helm 4 (with its marks) or a GitOps tool does.

    Without names it says nothing of the list.

    Raises KubectlError, as when it is a conflict.
    """
    of_helm = {
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": namespace},
    }
    marks = of_helm if manager == "helm" else {"labels": {"app": "x"}}
    body = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace, **marks},
        **({"imagePullSecrets": [{"name": each} for each in names]} if names else {}),
    }
    forced = ["--force-conflicts"] if force else []
    cluster.kubectl("apply", "--server-side", f"--field-manager={manager}", *forced, "-f", "-", stdin=json.dumps(body))


def account(cluster: Cluster, namespace: str, name: str) -> dict:
    """Return a service account as the API server holds it."""
    return json.loads(cluster.kubectl("get", "serviceaccount", name, "-n", namespace, "-o", "json"))


def entries(cluster: Cluster, namespace: str, name: str = "builder") -> list[str | None]:
    """Return the names in the imagePullSecrets of a service account; None for an entry without one."""
    return [each.get("name") for each in account(cluster, namespace, name).get("imagePullSecrets") or []]


def versions(cluster: Cluster, namespaces: Iterable[str]) -> dict[str, str]:
    """Return the resourceVersion of every Secret and service account of the namespaces, and every custom resource.

    The service accounts C(default) come and go by themselves.
    """
    found = {}
    for kinds, where in (
        ("secrets,serviceaccounts", list(namespaces)),
        ("awsecrimagepullsecrets,clusterawsecrimagepullsecrets", [""]),
    ):
        listed = json.loads(cluster.kubectl("get", kinds, "-A", "-o", "json"))["items"]
        for each in listed:
            metadata = each["metadata"]
            is_default = (each["kind"], metadata["name"]) == ("ServiceAccount", "default")
            if where == [""] or (metadata["namespace"] in where and not is_default):
                key = "/".join((each["kind"], metadata.get("namespace", ""), metadata["name"]))
                found[key] = metadata["resourceVersion"]
    return found


def finalizers(cluster: Cluster, name: str, namespace: str = "") -> list[str]:
    """Return the finalizers of a custom resource."""
    kind = "AWSECRImagePullSecret" if namespace else "ClusterAWSECRImagePullSecret"
    return cluster.resource(kind, name, namespace)["metadata"].get("finalizers") or []


def is_gone(cluster: Cluster, name: str, namespace: str = "") -> bool:
    """Return whether a custom resource is gone."""
    try:
        finalizers(cluster, name, namespace)
    except ApiException as error:
        if error.status == 404:
            return True
        raise
    return False


def uid_of(secret: dict | None) -> str:
    """Return the UID of a Secret that is there."""
    assert secret is not None
    return secret["metadata"]["uid"]


def grant(cluster: Cluster, user: str, rules: list[dict], namespace: str = "") -> None:
    """Give a user rights, in a namespace or everywhere."""
    kind, api = "Role" if namespace else "ClusterRole", "rbac.authorization.k8s.io"
    metadata = {"name": user} | ({"namespace": namespace} if namespace else {})
    role = {"apiGroup": api, "kind": kind, "name": user}
    subjects = [{"apiGroup": api, "kind": "User", "name": user}]
    cluster.apply(
        {"apiVersion": f"{api}/v1", "kind": kind, "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": role,
            "subjects": subjects,
        },
    )
