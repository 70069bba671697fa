"""What says when tokens are renewed (suspend, reconcile-at, refreshInterval), with a playbook and no runner."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import CLUSTER, GROUP, Cluster
from tests.support.cluster.placement import (
    FINALIZER,
    WRITE,
    entries,
    finalizers,
    is_gone,
    make_account,
    placed,
    states,
    told,
)
from tests.support.harness.ansible import Ansible, Run
from tests.support.harness.runner import run_once

HOUR = timedelta(hours=1)


def nudge(cluster: Cluster, value: str, *names: str) -> None:
    for name in names:
        cluster.kubectl("annotate", "caeps", name, f"{GROUP}/reconcile-at={value}", "--overwrite")


@pytest.mark.slow
def test_a_suspended_resource_rests_until_it_goes_on_or_is_deleted(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Whatever there is to do, and though another resource would have its Secret."""
    own, dropped, late = cluster.namespaces("own", "dropped", "late")
    make_account(cluster, own, "builder")
    cluster.apply(placed("app", principal, [own, dropped], serviceAccounts=["builder"]))
    ansible.reconcile()
    cluster.age_secret(own)
    before = [cluster.secret(each) for each in (own, dropped)]
    make_account(cluster, own, "build-2")
    cluster.apply(
        placed("app", principal, [own, late], serviceAccounts=["build*"], suspend=True),
        placed("rival", principal, [own], existingSecretPolicy="Adopt"),
    )
    nudge(cluster, "1", "app")
    run = ansible.reconcile("-v")
    assert "suspended_pull_secrets: nothing is done for ClusterAWSECRImagePullSecret/app (spec.suspend)" in run.output
    assert run.items(WRITE).keys() == {"rival"}
    assert told(run, "rival", own)["reason"] == "SecretConflict"
    assert [cluster.secret(each) for each in (own, dropped, late)] == [*before, None]
    assert (entries(cluster, own), entries(cluster, own, "build-2")) == (["ecr-login"], [])

    cluster.delete(CLUSTER, "rival")
    cluster.apply(placed("app", principal, [own, late], serviceAccounts=["build*"], suspend=False))
    run = ansible.reconcile()
    assert states(run, "app") == {own: "updated", late: "created"}
    assert cluster.secret(dropped) is None
    assert (entries(cluster, own), entries(cluster, own, "build-2")) == (["ecr-login"], ["ecr-login"])

    cluster.apply(placed("app", principal, [own, late], serviceAccounts=["build*"], suspend=True))
    assert finalizers(cluster, "app") == [FINALIZER]
    cluster.delete(CLUSTER, "app")
    assert ansible.reconcile().status == 0
    assert is_gone(cluster, "app")
    assert (entries(cluster, own), entries(cluster, own, "build-2")) == ([], [])


@pytest.mark.slow
@pytest.mark.versions
def test_a_nudge_gets_a_new_token_once(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Another resource of the identity keeps its token; a value for which AWS gave none stays asked for."""
    own, other = cluster.namespaces("own", "other")
    cluster.apply(
        placed("app", principal, [own, other]),
        placed("merged", principal, [own], secretName="merged", existingSecretPolicy="Merge"),
        placed("bystander", principal, [own], secretName="bystander"),
    )
    ansible.reconcile()
    places = [(own, "ecr-login"), (other, "ecr-login"), (own, "merged"), (own, "bystander")]

    def secrets() -> list[dict | None]:
        return [cluster.secret(*place) for place in places]

    def run_after(value: str) -> tuple[Run, list[bool]]:
        before = secrets()
        aws.forget_calls()
        nudge(cluster, value, "app", "merged")
        run = ansible.reconcile()
        pairs = zip(before, secrets(), strict=True)
        return run, [was["data"] != now["data"] for was, now in pairs if was and now]

    run, changed = run_after("{{ lookup('pipe', 'id') }}")
    assert run.status == 0, run.output
    assert (states(run, "app"), states(run, "merged")) == ({own: "updated", other: "updated"}, {own: "updated"})
    assert (changed, aws.count("GetAuthorizationToken")) == ([True, True, True, False], 1)

    before = secrets()
    aws.forget_calls()
    assert "changed=0" in ansible.reconcile().stdout
    assert (secrets(), aws.calls) == (before, [])

    aws.fail("AccessDeniedException")
    run, changed = run_after("2")
    assert (states(run, "app"), changed) == ({own: "unchanged", other: "unchanged"}, [False] * 4)
    assert run.items(WRITE)["app"]["error"]["reason"] == "AccessDeniedException"
    aws.heal()
    assert states(ansible.reconcile(), "app") == {own: "updated", other: "updated"}


@pytest.mark.slow
def test_a_nudge_that_one_region_refuses_stays_asked_for(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    (own,) = cluster.namespaces("own")
    hosts = [principal.registry(), principal.registry("eu-central-1")]
    cluster.apply(placed("app", principal, [own], registries=hosts))
    ansible.reconcile()

    def passwords() -> list[str]:
        return [cluster.config(own)["auths"][each]["password"] for each in hosts]

    before = passwords()
    nudge(cluster, "1", "app")
    aws.fail("AccessDeniedException", region="eu-central-1")
    assert states(ansible.reconcile(), "app") == {own: "updated"}
    partly = passwords()
    assert [was == now for was, now in zip(before, partly, strict=True)] == [False, True]
    assert states(ansible.reconcile(), "app") == {own: "unchanged"}, "not written at each attempt"
    aws.heal()
    assert states(ansible.reconcile(), "app") == {own: "updated"}
    assert not {*before, *partly}.intersection(passwords())


@pytest.mark.slow
@pytest.mark.versions
def test_an_interval_counts_from_when_the_token_was_granted(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """A change of it asks AWS only where the token is older. One of a time to come, as after the clock was set back, is
    replaced, for nobody knows how old it is.
    """
    (own,) = cluster.namespaces("own")
    cluster.apply(placed("app", principal, [own], refreshInterval="9h"))
    ansible.reconcile()

    def run_with(interval: str, state: str) -> timedelta:
        """Return how old the token may become, by the result, for one who knows when the next run comes."""
        before, calls = cluster.secret(own), aws.count("GetAuthorizationToken")
        cluster.apply(placed("app", principal, [own], refreshInterval=interval))
        run = ansible.reconcile(options={"renew_early": False})
        assert states(run, "app") == {own: state}
        assert (cluster.secret(own) == before) is (state == "unchanged")
        assert aws.count("GetAuthorizationToken") - calls == (state != "unchanged")
        result = run.items(WRITE)["app"]
        return datetime.fromisoformat(result["renew_after"]) - datetime.fromisoformat(result["issued_at"])

    cluster.age_secret(own, by=8 * HOUR)
    assert run_with("12h", "unchanged") == 10 * HOUR
    assert run_with("8h30m", "unchanged") == 8.5 * HOUR
    assert abs(run_with("7h", "updated") - 7 * HOUR) <= timedelta(seconds=1)
    cluster.age_secret(own, by=-24 * HOUR)
    assert abs(run_with("7h", "updated") - 7 * HOUR) <= timedelta(seconds=1)


@pytest.mark.slow
def test_a_pass_renews_early_and_tells_of_a_token_that_lives_short(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """A few seconds before half of the life is over: the next pass on a schedule would find the token dead."""
    (own,) = cluster.namespaces("own")
    cluster.apply(placed("app", principal, [own], refreshInterval="12h"))
    ansible.reconcile()
    cluster.age_secret(own, by=2.9 * HOUR)
    assert states(ansible.reconcile(), "app") == {own: "unchanged"}
    cluster.age_secret(own, by=3 * HOUR)
    assert states(ansible.reconcile(), "app") == {own: "updated"}

    aws.token_life = timedelta(seconds=240)
    cluster.age_secret(own)
    run = ansible.reconcile()
    assert states(run, "app") == {own: "updated"}
    words = "start passes at most [78][0-9] seconds apart"
    assert re.search(rf"\[WARNING\]: .*/app: the token lives .*{words}", " ".join(run.output.split()))

    cluster.age_secret(own, by=timedelta(seconds=117))
    before = cluster.secret(own)
    done = run_once(ansible, "--once")
    assert done.returncode == 0, done.stderr
    assert cluster.secret(own) != before
    assert re.search(f"to be known .*{words}", done.stderr)
    (ready, _) = cluster.resource(CLUSTER, "app")["status"]["conditions"]
    assert re.search(words, ready["message"])
