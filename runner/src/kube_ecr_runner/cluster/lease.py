"""The Lease that replicas compete for, as an object of the API server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import urllib3
from urllib3.util.retry import Retry

from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.answers import Expected, parse_object
from kube_ecr_runner.model.pod import Pod

# Of a call, from its begin to its end.
LEASE_SECONDS = 2.0


class Lease:
    """One Lease (coordination.k8s.io/v1). Each call has one attempt, that ends long before the Lease does."""

    def __init__(self, call: Callable[..., Any], namespace: str, name: str, pod: Pod | None) -> None:
        """pod is the owner of the Lease while this runner holds it: who writes it replaces the owner by its own.

        Where the pod is in another namespace the Lease has none: an owner that is looked for in vain is taken for gone.
        """
        self._call = call
        self._owners = {"ownerReferences": [pod.owner_reference]} if pod and pod.namespace == namespace else {}
        self._namespace = namespace
        self._name = name
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases"
        self._told = f"Lease {namespace}/{name}"

    def read(self) -> dict | None:
        """Return it, None if it is not there. Raises KubernetesError."""
        try:
            return self._send(f"read the {self._told}", "GET", f"{self._path}/{quote(self._name)}", self._expected())
        except KubernetesError as error:
            # An API server that knows no Leases answers 404, too.
            if error.status == 404 and error.reason == reasons.NOT_FOUND:
                return None
            raise

    def write(self, preconditions: Mapping[str, str], spec: Mapping) -> dict:
        """Put spec in place of what the Lease was when it was seen; return what it is.

        preconditions are the UID and the resourceVersion that it had, or nothing: then it is created. Raises
        KubernetesError, with status 409 if it is another meanwhile, or is gone: without the UID, the API server would
        make it again.
        """
        metadata = {"name": self._name, "namespace": self._namespace, **preconditions, **self._owners}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        method, path = ("PUT", f"{self._path}/{quote(self._name)}") if preconditions else ("POST", self._path)
        expected = self._expected(preconditions.get("uid", ""), {"spec": spec})
        return self._send(f"write the {self._told}", method, path, expected, body=body, content="application/json")

    def _expected(self, uid: str = "", content: Mapping[str, Any] | None = None) -> Expected:
        return Expected("Lease", self._name, self._namespace, uid, content or {})

    def _send(self, call: str, method: str, path: str, expected: Expected, **options) -> dict[str, Any]:
        timeout, parse = urllib3.Timeout(total=LEASE_SECONDS), partial(parse_object, expected=expected)
        found: dict[str, Any] = self._call(call, method, path, {}, parse, timeout=timeout, retries=Retry(0), **options)
        return found
