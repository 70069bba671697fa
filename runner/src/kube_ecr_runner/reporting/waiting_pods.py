"""What is told of the pods that wait for an image: in the status of a resource, by its condition PodsWaiting. Pure.

A pod is the resource's concern if it is in one of its target namespaces and waits for an image of a registry that its
Secrets log in to. Whether it names the Secret decides what helps: kubelet looks at the Secrets that a pod names again
and again, and never at others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.reading import mappings_in
from kube_ecr_runner.model.conditions import PODS_WAITING, condition_of, new_condition
from kube_ecr_runner.model.resource import STATUS_FIELDS, Resource
from kube_ecr_runner.model.waiting_pod import WaitingPod
from kube_ecr_runner.reporting.wording import names_of

_FIELD = "podsWaiting"
_REMEDY = (
    "`kubectl describe pod` shows what the registry answers; when the Secret is valid, a pod that names it pulls by "
    "itself within about 5 minutes, or at once if it is deleted and made again"
)
_REMEDY_FOR_UNNAMED = (
    "they were created before the service account had the pull secret, or name none; delete them or restart their "
    "workload; spec.podInjection adds the Secret to new pods"
)
_NOT_RECOVERED = (
    "spec.recoverPods has no effect, because the runner may not evict pods; set runner.recoverPods=true in the chart "
    "(--recover-pods)"
)


@dataclass(frozen=True)
class PodsReport:
    """The pods of a resource that wait, by namespace and name, in order, and which of them do not name its Secret."""

    waiting: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()


def report_of(resource: Resource, pods: Iterable[WaitingPod]) -> PodsReport:
    """Return what there is to tell of the pods that wait for an image of a resource."""
    found = sorted(pods, key=str)
    unnamed = (pod for pod in found if resource.secret_name not in pod.pull_secrets)
    return PodsReport(tuple(map(str, found)), tuple(map(str, unnamed)))


def status_with_pods(
    resource: Resource, report: PodsReport | None, now: datetime, *, may_recover: bool
) -> dict[str, object]:
    """Return the status of a resource with what is to be told of its pods, and for the rest as it was.

    report is None where nobody looks at pods: then nothing is told of any. may_recover says that the runner evicts pods
    where a resource asks for it.
    """
    status = dict(resource.status)
    conditions = [each for each in mappings_in(status, "conditions") if each.get("type") != PODS_WAITING]
    if report:
        conditions += _condition(resource, report, now, may_recover=may_recover)
    for name, value in (("conditions", conditions), (_FIELD, len(report.waiting) if report else 0)):
        status[name] = value
        if not value:
            del status[name]
    return {name: status[name] for name in STATUS_FIELDS if name in status}


def tells_of_pods(status: Mapping[str, object]) -> bool:
    """Return whether a status tells of pods that wait, or once did."""
    return _FIELD in status or bool(condition_of(status, PODS_WAITING))


def pods_part(status: Mapping[str, object]) -> tuple[list[Mapping[str, object]], object]:
    """Return what a status tells of pods, for the one that follows a result, which says nothing of them.

    That is the condition, in a list that is empty if there is none, and the number of pods, None if none wait.
    """
    condition = condition_of(status, PODS_WAITING)
    return [condition] if condition else [], status.get(_FIELD)


def _condition(
    resource: Resource, report: PodsReport, now: datetime, *, may_recover: bool
) -> Iterator[Mapping[str, object]]:
    """Yield the condition: none where no pod ever waited, and the one that there is where none waits any more."""
    before = condition_of(resource.status, PODS_WAITING)
    if report.waiting:
        reason = reasons.PULL_SECRET_NOT_NAMED if report.unnamed else reasons.IMAGE_PULL_BACK_OFF
        told = ("True", reason, _message(resource, report, may_recover=may_recover))
        yield new_condition(PODS_WAITING, *told, resource.generation, resource.status, now)
    elif before.get("status") == "True":
        told = ("False", reasons.NO_POD_WAITS, "no pod waits for an image any more")
        yield new_condition(PODS_WAITING, *told, resource.generation, resource.status, now)
    elif before:
        yield before


def _message(resource: Resource, report: PodsReport, *, may_recover: bool) -> str:
    count = len(report.waiting)
    named = f"{_pods(count)} for an image of {names_of(resource.hosts)}: {names_of(report.waiting)}"
    texts = [named, _REMEDY]
    if report.unnamed:
        # Where all wait for this, they need not be named twice.
        who = "they do" if len(report.unnamed) == count else f"{len(report.unnamed)} of them do"
        names = "" if len(report.unnamed) == count else f": {names_of(report.unnamed)}"
        cause = f"{who} not name the Secret {resource.secret_name}, so they never pull with it{names}"
        texts = [named, cause, _REMEDY_FOR_UNNAMED]
    if resource.recovers_pods and not may_recover:
        texts.append(_NOT_RECOVERED)
    return "; ".join(texts)


def _pods(count: int) -> str:
    return "1 pod waits" if count == 1 else f"{count} pods wait"
