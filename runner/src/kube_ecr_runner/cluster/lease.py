"""The Lease that replicas compete for, as an object of the API server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

import urllib3
from urllib3.util.retry import Retry

from kube_ecr_runner.cluster.errors import KubernetesError

# Of a call, from its begin to its end.
LEASE_SECONDS = 2.0


class Lease:
    """One Lease (coordination.k8s.io/v1). Each call has one attempt, that ends long before the Lease does."""

    def __init__(self, call: Callable[..., dict], namespace: str, name: str) -> None:
        self._call = call
        self._namespace = namespace
        self._name = name
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases"
        self._told = f"Lease {namespace}/{name}"

    def read(self) -> dict | None:
        """Return it, None if it is not there. Raises KubernetesError."""
        try:
            return self._send(f"read the {self._told}", "GET", f"{self._path}/{quote(self._name)}")
        except KubernetesError as error:
            if error.status == 404:
                return None
            raise

    def write(self, version: str, spec: Mapping) -> dict:
        """Create it, without a resourceVersion, or put spec in place of what it was at that one; return what it is.

        Raises KubernetesError, with status 409 if it is another meanwhile.
        """
        metadata = {"name": self._name, "namespace": self._namespace} | (
            {"resourceVersion": version} if version else {}
        )
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        method, path = ("PUT", f"{self._path}/{quote(self._name)}") if version else ("POST", self._path)
        return self._send(f"write the {self._told}", method, path, body=body, content="application/json")

    def _send(self, call: str, method: str, path: str, **options) -> dict:
        timeout = urllib3.Timeout(total=LEASE_SECONDS)
        return self._call(call, method, path, {}, timeout=timeout, retries=Retry(0), **options)
