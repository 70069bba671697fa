"""When the runner renews tokens: spec.suspend, the annotation reconcile-at, and what AWS says of their life."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import GROUP, NAMESPACED, Cluster, condition
from tests.support.cluster.placement import entries, is_gone, make_account, placed
from tests.support.harness.runner import Runner


def nudge(cluster: Cluster, namespace: str, value: str, name: str = "app") -> None:
    cluster.kubectl("annotate", "aeps", name, "-n", namespace, f"{GROUP}/reconcile-at={value}", "--overwrite")


def password(cluster: Cluster, principal: Principal, namespace: str) -> str:
    return cluster.config(namespace)["auths"][principal.registry()]["password"]


def reasons(cluster: Cluster, namespace: str, name: str = "app") -> tuple[str | None, ...]:
    resource = cluster.resource(NAMESPACED, name, namespace)
    return tuple(condition(resource, kind).get("reason") for kind in ("Ready", "RefreshFailing"))


@pytest.fixture
def settle(cluster: Cluster, principal: Principal, runner: Runner) -> Callable[[], None]:
    """Waits until the runner has handled all that happened before: it serves a resource that was made after it."""
    count = iter(range(100))

    def settle() -> None:
        name = f"sentinel-{next(count)}"
        (namespace,) = cluster.namespaces("sentinel")
        cluster.apply(placed(name, principal, namespace=namespace, secretName="sentinel"))
        cluster.wait_ready(NAMESPACED, name, namespace)

    return settle


@pytest.mark.slow
@pytest.mark.versions
def test_a_resource_rests_while_it_is_suspended_and_a_nudge_is_answered_once(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner, settle: Callable[[], None]
) -> None:
    """It goes on while the runner is down, when another resource comes due, too."""
    own, due = cluster.namespaces("own", "due")
    make_account(cluster, own, "builder")

    def apply(**spec: object) -> None:
        cluster.apply(placed("app", principal, namespace=own, serviceAccounts=["builder"], **spec))

    apply()
    cluster.apply(placed("due", principal, namespace=due))
    runner.start()
    cluster.wait_ready(NAMESPACED, "due", due)
    expires_at = cluster.wait_ready(NAMESPACED, "app", own)["status"]["expiresAt"]

    apply(suspend=True)
    cluster.wait(lambda: reasons(cluster, own) == ("Suspended", "Suspended"), "status tells of it")
    app = cluster.resource(NAMESPACED, "app", own)
    assert condition(app, "Ready")["status"] == "True"
    assert f"the first token expires at: {expires_at}; set spec.suspend to false" in condition(app, "Ready")["message"]
    assert "nextRefreshTime" not in app["status"]
    cluster.core.delete_namespaced_secret("ecr-login", own)
    nudge(cluster, own, "1")
    settle()
    assert cluster.secret(own) is None
    assert cluster.resource(NAMESPACED, "app", own)["status"] == app["status"]

    assert runner.stop() == 0
    cluster.age_secret(due)
    past = json.dumps({"status": {"nextRefreshTime": "2020-01-01T00:00:00Z"}})
    cluster.kubectl("patch", "aeps", "due", "-n", due, "--subresource=status", "--type=merge", f"--patch={past}")
    before = password(cluster, principal, due)
    apply(suspend=False)
    runner.start()
    cluster.wait(lambda: reasons(cluster, own) == ("SecretsUpdated", "RefreshSucceeded"), "it goes on")
    assert cluster.resource(NAMESPACED, "app", own)["status"]["lastHandledReconcileAt"] == "1"
    cluster.wait(lambda: password(cluster, principal, due) != before, "what came due while it was down is renewed")
    cluster.wait(lambda: {"Suspended", "Resumed"} <= dict(cluster.events("app")).keys(), "events tell")

    before = password(cluster, principal, own)
    nudge(cluster, own, "2")
    done = ("--for=jsonpath={.status.lastHandledReconcileAt}=2", "--timeout=60s")
    cluster.kubectl("wait", "aeps/app", "-n", own, *done)
    assert password(cluster, principal, own) != before
    secret = cluster.secret(own)
    runner.stop()
    runner.start()
    settle()
    assert cluster.secret(own) == secret

    apply(suspend=True)
    cluster.wait(lambda: reasons(cluster, own) == ("Suspended", "Suspended"), "status tells of it")
    cluster.delete(NAMESPACED, "app", own)
    cluster.wait(lambda: is_gone(cluster, "app", own), "it is undone")
    assert entries(cluster, own) == []


@pytest.mark.slow
def test_what_aws_says_of_the_life_of_a_token_is_believed_only_if_it_can_be(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner
) -> None:
    (own,) = cluster.namespaces("own")
    aws.answer_expiry(None)
    cluster.apply(placed("app", principal, namespace=own))
    runner.start()
    cluster.wait_ready(NAMESPACED, "app", own, status="False")
    assert reasons(cluster, own) == ("MalformedAnswer", "MalformedAnswer")
    assert cluster.secret(own) is None

    aws.answer_expiry(253402300799)
    nudge(cluster, own, "1")
    expires_at = cluster.wait_ready(NAMESPACED, "app", own)["status"]["expiresAt"]
    assert datetime.fromisoformat(expires_at) <= datetime.now(UTC) + timedelta(hours=12)

    before = cluster.secret(own)
    aws.answer_expiry("soon")
    nudge(cluster, own, "2")
    cluster.wait(lambda: reasons(cluster, own) == ("SecretsUpdated", "MalformedAnswer"), "the failure is told")
    assert cluster.secret(own) == before
    aws.heal()
    nudge(cluster, own, "3")
    cluster.wait(lambda: reasons(cluster, own) == ("SecretsUpdated", "RefreshSucceeded"), "and that it is over")
    assert cluster.secret(own) != before
