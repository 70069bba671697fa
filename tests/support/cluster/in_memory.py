"""An API server of a few objects in memory: it notes the calls, and refuses those that it is told to refuse.

It holds what is given to it as it is, without field managers and versions: what those do is tested with a real one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from tests.support.cluster.stored_secrets import patched


class InMemoryCluster:
    """Has the methods of the collection's Cluster that change Secrets and service accounts.

    calls are those that were made: verb, kind and place; written are the bodies. refusals are raised by the next calls
    of a verb, None for none.
    """

    def __init__(self, *secrets: dict, accounts: tuple[dict, ...] = ()) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.written: list[dict[str, Any]] = []
        self.refusals: dict[str, list[KubernetesError | None]] = defaultdict(list)
        self._objects = {self._key("Secret", secret): secret for secret in secrets}
        self._objects.update({self._key("ServiceAccount", account): account for account in accounts})

    def refuse(self, verb: str, *statuses: int, text: str = "no") -> None:
        """Refuse the next calls of a verb with these statuses; 200 lets one pass."""
        refusals = {status: KubernetesError(f"{verb} it", status, f"Status{status}", text) for status in statuses}
        self.refusals[verb] += [None if status == 200 else refusals[status] for status in statuses]

    def read_object(self, kind: str, namespace: str, name: str) -> dict | None:
        self._note("get", kind, namespace, name)
        return self._objects.get((kind, namespace, name))

    def apply_secret(self, manifest: dict, manager: str, *, force: bool, dry_run: bool) -> bool:
        metadata = manifest["metadata"]
        self.written.append({"manifest": manifest, "manager": manager, "force": force, "dry_run": dry_run})
        self._note("apply", "Secret", metadata["namespace"], metadata["name"])
        return self._key("Secret", manifest) not in self._objects

    def patch_object(self, kind: str, namespace: str, name: str, patch: dict, *, dry_run: bool) -> dict:
        self.written.append({"patch": patch, "dry_run": dry_run})
        self._note("patch", kind, namespace, name)
        after = patched(self._objects[kind, namespace, name], patch)
        if not dry_run:
            self._objects[kind, namespace, name] = after
        return after

    def delete_secret(self, namespace: str, name: str, version: str, *, dry_run: bool) -> None:
        self.written.append({"version": version, "dry_run": dry_run})
        self._note("delete", "Secret", namespace, name)

    def set_finalizer(self, resource: Mapping, finalizer: str, *, is_wanted: bool) -> None:
        self._note("add" if is_wanted else "remove", "finalizer", resource["namespace"], resource["name"])

    def list_service_accounts(self, namespace: str = "") -> Iterator[dict]:
        self._note("list", "ServiceAccount", namespace, "")
        return (
            found
            for (kind, place, _name), found in self._objects.items()
            if (kind, place) == ("ServiceAccount", namespace)
        )

    def list_metadata(self, plural: str, label_selector: str) -> Iterator[dict]:
        self._note("list", plural, "", label_selector)
        return (found["metadata"] for (kind, *_place), found in self._objects.items() if kind == "ServiceAccount")

    def _note(self, verb: str, *what: str) -> None:
        self.calls.append((verb, *what))
        refusal = self.refusals[verb].pop(0) if self.refusals[verb] else None
        if refusal:
            raise refusal

    def _key(self, kind: str, found: dict) -> tuple[str, str, str]:
        return kind, found["metadata"]["namespace"], found["metadata"]["name"]

    @property
    def verbs(self) -> list[str]:
        """The verbs of the calls."""
        return [verb for verb, *_what in self.calls]
