"""The pods of the chart under the security context constraints that OpenShift has for everybody: restricted-v2."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.harness.chart_values import MATRIX
from tests.support.harness.helm import Values, render

# https://docs.redhat.com/en/documentation/openshift_container_platform/4.16/html/authentication_and_authorization/managing-pod-security-policies
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_OF_HOST = ("hostNetwork", "hostPID", "hostIPC")


def pods(values: Values) -> dict[str, dict]:
    """Return the pods of all that is rendered, hooks and tests included, by what makes them."""
    found = {}
    for each in render(values):
        spec = each.get("spec", {})
        template = spec.get("jobTemplate", {"spec": spec})["spec"].get("template", {"spec": spec})
        if "containers" in template["spec"]:
            found[f"{each['kind']}/{each['metadata']['name']}"] = template["spec"]
    return found


def refusals(pod: dict) -> Iterator[str]:
    """Yield what restricted-v2 refuses in a pod; what is not there, it sets itself.

    A user or a group of volumes must be in the range of the namespace, which nobody knows beforehand.
    """
    yield from (field for field in _OF_HOST if pod.get(field))
    yield from (f"volume {kind}" for volume in pod.get("volumes", []) for kind in volume.keys() - {"name"} - _VOLUMES)
    context = pod.get("securityContext", {})
    yield from (field for field in ("runAsUser", "fsGroup", "seLinuxOptions") if field in context)
    profiles = [context.get("seccompProfile")]
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        own = container.get("securityContext", {})
        yield from (field for field in ("runAsUser", "seLinuxOptions") if field in own)  # user 0 is one, too
        if own.get("privileged"):
            yield "privileged"
        if own.get("allowPrivilegeEscalation", True):
            yield "allowPrivilegeEscalation"
        capabilities = own.get("capabilities", {})
        if capabilities.get("drop", ["ALL"]) != ["ALL"] or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            yield "capabilities"
        yield from ("hostPort" for port in container.get("ports", []) if port.get("hostPort"))
        profiles.append(own.get("seccompProfile"))
    if any(profile not in (None, {"type": "RuntimeDefault"}) for profile in profiles):
        yield "seccompProfile"


@pytest.mark.parametrize("values", ["defaults", "cronjob", "watches", "environment", "namespaces"])
def test_all_pods_fit(values: str) -> None:
    found = pods(MATRIX[values])
    kind = "CronJob" if values == "cronjob" else "Deployment"
    assert [name.partition("/")[0] for name in sorted(found)] == [kind, "Pod"]
    assert {name: list(refusals(pod)) for name, pod in found.items()} == {name: [] for name in found}


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({"podSecurityContext": {"runAsUser": 1000}}, "runAsUser"),
        ({"podSecurityContext": {"fsGroup": 1000}}, "fsGroup"),
        ({"podSecurityContext": {"seccompProfile": {"type": "Unconfined"}}}, "seccompProfile"),
        ({"securityContext": {"runAsUser": 1000}}, "runAsUser"),
        ({"securityContext": {"runAsUser": 0}}, "runAsUser"),
        ({"securityContext": {"privileged": True}}, "privileged"),
        ({"securityContext": {"allowPrivilegeEscalation": True}}, "allowPrivilegeEscalation"),
        ({"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}, "capabilities"),
        ({"extraVolumes": [{"name": "a", "hostPath": {"path": "/"}}]}, "volume hostPath"),
    ],
)
def test_what_does_not_fit_is_seen(values: Values, refused: str) -> None:
    assert {tuple(refusals(pod)) for pod in pods(values).values()} == {(refused,)}
