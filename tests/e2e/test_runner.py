"""The runner end to end: the command, on a real cluster, with the AWS endpoint and the registry."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import CLUSTER, NAMESPACED, Cluster, condition, pull_secret
from tests.support.harness.ansible import Ansible
from tests.support.harness.processes import contents_below, watch_processes
from tests.support.harness.runner import Runner, run_once
from tests.support.registry.server import PullError, Registry


def test_a_custom_resource_becomes_a_login_that_pulls(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, registry: Registry, runner: Runner
) -> None:
    own, ns1, ns2 = cluster.namespaces("own", "ns1", "ns2")
    (late,) = cluster.names("late")
    cluster.apply(
        pull_secret("app", principal, namespace=own), pull_secret("shared", principal, namespaces=[ns1, ns2, late])
    )
    runner.start()
    app = cluster.wait_ready(NAMESPACED, "app", own)
    shared = cluster.wait_ready(CLUSTER, "shared")
    assert aws.count("GetAuthorizationToken") == 1
    assert len(runner.runs()) <= 1

    host = principal.registry()
    digest = registry.push(host, "team/app:1")
    for namespace in (own, ns1, ns2):
        assert registry.pull(host, "team/app:1", json.dumps(cluster.config(namespace))) == digest
    assert app["status"]["registries"] == [host]
    assert app["status"]["namespacesReady"] == app["status"]["namespacesTotal"] == 1
    assert (shared["status"]["namespacesReady"], shared["status"]["namespacesTotal"]) == (2, 3)
    assert [(each["namespace"], each["reason"]) for each in shared["status"]["failures"]] == [
        (late, "NamespaceNotFound")
    ]
    assert condition(app, "Ready")["reason"] == "SecretsUpdated"
    assert condition(app, "RefreshFailing")["status"] == "False"
    cluster.wait(lambda: "SecretCreationSuccess" in dict(cluster.events("app")), "an event tells")
    (row,) = (line for line in cluster.kubectl("get", "aeps", "-n", own).splitlines() if line.startswith("app"))
    assert row.split()[1:4] == ["ecr-login", "True", app["status"]["expiresAt"]]

    cluster.make_namespace(late)
    cluster.wait(lambda: cluster.secret(late), "the namespace that came late is served")
    cluster.wait(lambda: cluster.resource(CLUSTER, "shared")["status"]["namespacesReady"] == 3, "status tells")
    assert "failures" not in cluster.resource(CLUSTER, "shared")["status"]

    aws.expire_tokens()
    with pytest.raises(PullError, match="expired"):
        registry.pull(host, "team/app:1", json.dumps(cluster.config(own)))


@pytest.mark.slow
def test_a_restart_while_nothing_is_due_asks_and_writes_nothing(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner
) -> None:
    own, ns1 = cluster.namespaces("own", "ns1")
    (late,) = cluster.names("late")
    cluster.apply(
        pull_secret("app", principal, namespace=own), pull_secret("shared", principal, namespaces=[ns1, late])
    )
    runner.start()
    before = [cluster.wait_ready(NAMESPACED, "app", own), cluster.wait_ready(CLUSTER, "shared"), cluster.secret(own)]
    assert runner.stop() == 0

    aws.forget_calls()
    runner.start()
    cluster.wait(lambda: runner.log.count(" watching ") == 2, "it watches again")
    other = cluster.namespaces("other")
    cluster.apply(pull_secret("other", principal, namespace=other[0]))
    cluster.wait_ready(NAMESPACED, "other", other[0])
    assert aws.count("GetAuthorizationToken") == 1, "for the new resource only"
    assert [
        cluster.resource(NAMESPACED, "app", own),
        cluster.resource(CLUSTER, "shared"),
        cluster.secret(own),
    ] == before
    assert len(runner.runs()) <= 2


def test_one_namespace_on_its_way_out_stops_no_other(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner
) -> None:
    first, last = cluster.namespaces("first", "last")
    (terminating,) = cluster.names("terminating")
    cluster.terminating_namespace(terminating)
    cluster.apply(pull_secret("shared", principal, namespaces=[first, terminating, last]))
    runner.start()
    shared = cluster.wait_ready(CLUSTER, "shared")
    assert cluster.secret(first) is not None
    assert cluster.secret(last) is not None
    (failure,) = shared["status"]["failures"]
    assert (failure["namespace"], failure["reason"]) == (terminating, "NamespaceTerminating")
    assert "is being deleted" in condition(shared, "Ready")["message"]
    assert condition(shared, "RefreshFailing")["status"] == "False"


def test_wrong_keys_are_told_and_right_ones_heal_at_once(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner
) -> None:
    """Then another pair of keys replaces the token, although it has hours left."""
    (own,) = cluster.namespaces("own")
    wrong = Principal(principal.access_key, "canary-secret", principal.account)
    cluster.apply(pull_secret("app", wrong, namespace=own))
    runner.start()
    app = cluster.wait_ready(NAMESPACED, "app", own, status="False")
    for kind in ("Ready", "RefreshFailing"):
        assert condition(app, kind)["reason"] == "InvalidSignatureException"
    cluster.wait(lambda: "GetAWSAuthTokenFailed" in dict(cluster.events("app")), "an event tells")
    told = json.dumps(app["status"]) + str(cluster.events("app")) + runner.log
    assert "base64" in told
    assert "canary" not in told

    cluster.apply(pull_secret("app", principal, namespace=own))
    cluster.wait_ready(NAMESPACED, "app", own)
    assert cluster.config(own)["auths"].keys() == {principal.registry()}

    other = aws.principal(account="444455556666")
    cluster.apply(pull_secret("app", other, namespace=own))
    cluster.wait_ready(NAMESPACED, "app", own)
    assert cluster.config(own)["auths"].keys() == {other.registry()}


@pytest.mark.slow
@pytest.mark.versions
def test_tokens_are_renewed_in_time_and_an_outage_is_told_until_it_ends(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner
) -> None:
    """Tokens live 20 s: renewed after half of that; then AWS is away until they are dead, and comes back."""
    (own,) = cluster.namespaces("own")
    aws.token_life = timedelta(seconds=20)
    cluster.apply(pull_secret("app", principal, namespace=own))
    runner.start()
    first = cluster.wait_ready(NAMESPACED, "app", own)["status"]["expiresAt"]
    cluster.wait(
        lambda: cluster.resource(NAMESPACED, "app", own)["status"]["expiresAt"] > first, "the token is renewed"
    )
    assert aws.verify(principal.registry(), "AWS", cluster.config(own)["auths"][principal.registry()]["password"])

    before = cluster.secret(own)
    aws.stop()

    def failing() -> str:
        return condition(cluster.resource(NAMESPACED, "app", own), "RefreshFailing").get("reason", "")

    cluster.wait(lambda: failing() == "Unreachable", "status tells of the outage")
    assert condition(cluster.resource(NAMESPACED, "app", own), "Ready")["status"] == "True"
    assert cluster.secret(own) == before
    app = cluster.wait_ready(NAMESPACED, "app", own, status="False")
    assert condition(app, "Ready")["reason"] == "Unreachable"
    assert cluster.secret(own) == before

    aws.token_life = timedelta(hours=12)
    aws.start()
    cluster.wait_ready(NAMESPACED, "app", own)
    assert cluster.secret(own) != before
    assert failing() == "RefreshSucceeded"


@pytest.mark.slow
def test_many_resources_of_one_identity_are_one_run_and_one_call(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner
) -> None:
    """AWS throttles the first two calls, as it does when many come at once."""
    names = cluster.namespaces(*(f"team-{number}" for number in range(100)))
    cluster.apply(*(pull_secret("app", principal, namespace=name) for name in names))
    aws.fail("ThrottlingException", "Rate exceeded", times=2)
    runner.start()
    cluster.wait(lambda: runner.log.count("INFO ready ") == 100, "all are ready")
    cluster.wait(runner.runs, "the run has ended")
    assert [call.code for call in aws.calls] == ["ThrottlingException", "ThrottlingException", ""]
    (run,) = runner.runs()
    assert "resources=100" in run
    assert all(cluster.secret(name) for name in names)


@pytest.mark.usefixtures("loose_crds")
def test_a_hostile_resource_is_refused_literally_and_disturbs_nobody(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner, tmp_path: Path
) -> None:
    """What its status then says is read again with the next pass, and is no template either."""
    good, bad = cluster.namespaces("good", "bad")
    text = f"{{{{ lookup('ansible.builtin.pipe', 'touch {tmp_path}/pwned') }}}}"
    hostile = pull_secret("hostile", principal, namespace=bad, secret_name=text)
    cluster.apply(hostile, pull_secret("app", principal, namespace=good))
    runner.start()
    cluster.wait_ready(NAMESPACED, "app", good)
    app = cluster.wait_ready(NAMESPACED, "hostile", bad, status="False")
    assert condition(app, "Ready")["reason"] == "InvalidResource"
    assert text in condition(app, "RefreshFailing")["message"]
    cluster.wait(lambda: len(runner.runs()) > 1, "it is tried again")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("failing", [False, True], ids=["success", "failure"])
def test_no_key_and_no_token_leaves_memory(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner, ansible: Ansible, failing: bool
) -> None:
    """Searched: processes and private files while a run works; log, status, events and what is left afterwards."""
    (own,) = cluster.namespaces("own")
    cluster.apply(pull_secret("app", principal, namespace=own))
    if failing:
        aws.fail("InvalidSignatureException", f"Authorization: {principal.secret_key}")
    aws.latency = 1.0
    with watch_processes(ansible.home) as seen:
        runner.start()
        cluster.wait(lambda: aws.calls, "AWS was asked")
        private = contents_below(runner.temporary)
        app = cluster.wait_ready(NAMESPACED, "app", own, status="False" if failing else "True")
        cluster.wait(runner.runs, "the run has ended")
    assert any(b"kube_ecr.secrets.pull_secrets" in content for content in private), "the inventory file was seen"
    assert runner.stop() == 0
    assert not list(runner.temporary.iterdir()), "the private directories are gone"
    secrets = [principal.secret_key, principal.access_key]
    if not failing:
        secrets.append(cluster.config(own)["auths"][principal.registry()]["password"][-40:])
    told = [json.dumps(app["status"]), runner.log, str(cluster.events("app"))]
    for secret in secrets:
        assert not any(secret in text for text in told)
        assert not any(secret.encode() in content for content in (*seen, *private, *contents_below(ansible.home)))
    assert any(b"ansible\0playbook" in content for content in seen)


@pytest.fixture
def hanging(cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner) -> str:
    """A namespace with a resource whose run waits for AWS."""
    (own,) = cluster.namespaces("own")
    cluster.apply(pull_secret("app", principal, namespace=own))
    aws.hang()
    runner.start()
    cluster.wait(lambda: aws.calls, "AWS was asked")
    return own


@pytest.mark.usefixtures("hanging")
def test_sigterm_in_mid_run_leaves_nothing_behind(runner: Runner) -> None:
    assert runner.stop() == 0
    assert not list(runner.temporary.iterdir())
    assert runner.processes() == []


@pytest.mark.slow
def test_sigkill_in_mid_run_leaves_no_key_behind_and_a_restart_serves(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner, ansible: Ansible, hanging: str
) -> None:
    runner.kill()
    left = [*contents_below(runner.temporary), *contents_below(ansible.home)]
    assert any(b"kube_ecr.secrets.pull_secrets" in content for content in left)
    for secret in (principal.secret_key, principal.access_key):
        assert not any(secret.encode() in content for content in left)
    runner.clean()
    aws.heal()
    runner.start()
    cluster.wait_ready(NAMESPACED, "app", hanging)


def test_a_temporary_directory_that_ansible_could_not_work_in_is_refused(ansible: Ansible, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 60)
    long.mkdir()
    done = run_once(ansible, TMPDIR=str(long))
    assert done.returncode == 2
    assert "set TMPDIR to one of at most" in done.stderr


@pytest.mark.parametrize(
    ("watches", "words"),
    [
        ("- {version: v1alpha2, group: aws.zakariaamine.com, kind: AWSECRImagePullSecret, roles: x}", "key 'roles'"),
        ("[]", "must be a list with an entry for each kind"),
        (None, "cannot be read"),
    ],
)
def test_what_is_wrong_at_start_is_one_line(ansible: Ansible, tmp_path: Path, watches: str | None, words: str) -> None:
    path = tmp_path / "watches.yaml"
    if watches is not None:
        path.write_text(watches)
    done = run_once(ansible, watches=path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
