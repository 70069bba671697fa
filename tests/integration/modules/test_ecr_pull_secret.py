"""ecr_pull_secret against the real API server, in real ansible-playbook runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.authorizations import Authorization
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster import client
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.own_secret import OwnSecretWriter
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.request import AvailableLogins, Request
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.target_state import TargetState
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.desired import DesiredSecret
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.logins import Logins
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import Cluster
from tests.support.harness.ansible import TARGET_PYTHON, Ansible, Run, returned

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
CANARY = "canary-password"
WAYS: dict[str, dict[str, str]] = {"fast": {}, "shipped": {"SHIPPED": "1"}}


def authorization(life: timedelta = timedelta(hours=12), password: str = CANARY) -> dict[str, str]:
    expires_at = (datetime.now(UTC) + life).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"registry": HOST, "username": "AWS", "password": password, "expires_at": expires_at}


def options(namespaces: list[str], given: dict[str, str] | None = None, **more: object) -> dict[str, Any]:
    return {"secret_name": "ecr-login", "namespaces": namespaces, "authorizations": [given or authorization()], **more}


def task(chosen: dict[str, Any], name: str = "Write", way: str = "fast") -> dict[str, Any]:
    """Return the task; `environment` makes Ansible ship the module, as it does to any other host."""
    variables = {"ansible_python_interpreter": TARGET_PYTHON}
    how = {"environment": WAYS[way], "vars": variables, "ignore_errors": True}
    return {"name": name, "kube_ecr.secrets.ecr_pull_secret": chosen, **how}


def states(run: Run, name: str = "Write") -> list[str]:
    return [each["state"] for each in run.result(name)["namespaces"]]


def test_written_once_then_unchanged_until_half_of_the_life_is_over(ansible: Ansible, cluster: Cluster) -> None:
    names = cluster.namespaces("team-a", "team-b")
    given = authorization(timedelta(hours=10), "first")
    first = ansible.play(task(options(names, given), "create"), task(options(names), "again"))
    assert states(first, "create") == ["created", "created"]
    assert first.result("create")["expires_at"] == given["expires_at"]
    assert first.result("create")["renew_after"] < given["expires_at"]
    assert states(first, "again") == ["unchanged", "unchanged"]
    assert first.result("again")["changed"] is False
    assert cluster.config(names[0])["auths"][HOST]["password"] == "first"
    before = cluster.secret(names[0])

    cluster.age_secret(names[0])
    second = ansible.play(task(options(names)))
    assert states(second) == ["updated", "unchanged"]
    after = cluster.secret(names[0])
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["type"] == "kubernetes.io/dockerconfigjson"
    assert after["metadata"]["annotations"]["expiry"] == second.result("Write")["namespaces"][0]["expires_at"]
    assert second.result("Write")["expires_at"] == given["expires_at"], "the earliest"
    assert cluster.config(names[0])["auths"].keys() == {HOST}
    assert cluster.config(names[0])["auths"][HOST]["password"] == CANARY


def test_the_role_does_both_in_one_call(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    names = cluster.namespaces("team-a", "team-b")
    variables = {
        "pull_secret_region": "eu-west-1",
        "pull_secret_access_key": principal.access_key,
        "pull_secret_secret_key": principal.secret_key,
        "pull_secret_endpoint_url": aws.url,
        "pull_secret_namespaces": names,
    }
    role = {"ansible.builtin.include_role": {"name": "kube_ecr.secrets.pull_secret"}}
    run = ansible.play({**role, "vars": variables}, args=("-vvv",))
    assert states(run, "Write the pull secret") == ["created", "created"]
    assert principal.secret_key not in run.output
    refused = ansible.play({**role, "vars": {**variables, "pull_secret_namespaces": "{{ omit }}"}})
    assert "pull_secret_namespaces" in refused.output
    assert refused.status == 2


def test_force_writes_a_token_of_another_principal_at_once(ansible: Ansible, cluster: Cluster) -> None:
    names = cluster.namespaces("team-a")
    run = ansible.play(
        task(options(names, authorization(password="old")), "old"), task(options(names, force=True), "new")
    )
    assert states(run, "new") == ["updated"]
    assert cluster.config(names[0])["auths"][HOST]["password"] == CANARY


def test_check_mode_predicts_and_changes_nothing(ansible: Ansible, cluster: Cluster) -> None:
    empty, served, foreign = cluster.namespaces("empty", "served", "foreign")
    (missing,) = cluster.names("missing")
    cluster.kubectl("create", "secret", "generic", "ecr-login", "-n", foreign)
    ansible.play(task(options([served])))
    before = cluster.secret(served), cluster.secret(foreign)
    everything = task(options([empty, served, missing, foreign]))

    # Ansible prints no diff of a task that failed, as this one does.
    predicted = ansible.play(everything, task(options([empty]), "One"), args=("--check", "--diff", "-vvvv"))
    assert (cluster.secret(empty), cluster.secret(served), cluster.secret(foreign)) == (None, *before)
    done = ansible.play(everything)
    assert states(predicted) == states(done) == ["created", "unchanged", "pending", "failed"]
    assert predicted.result("Write")["changed"] is done.result("Write")["changed"] is True
    assert cluster.secret(empty) is not None

    (shown,) = predicted.result("Write")["diff"]
    assert shown["after"].keys() == {"registries", "expires_at", "fingerprint"}
    assert shown["after"]["registries"] == [HOST]
    assert f"+++ after: {empty}/ecr-login" in predicted.stdout
    assert CANARY not in predicted.output


FOREIGN = {
    "opaque": {"type": "Opaque"},
    "dockercfg": {"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "e30="}},
    "shared": {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eyJhdXRocyI6bnVsbH0="}},
    "broken": {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "bnVsbA=="}},
    "stub": {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30K"}},
}


def test_foreign_secrets_stay_as_they_are_and_others_are_served(ansible: Ansible, cluster: Cluster) -> None:
    served, *foreign = cluster.namespaces("served", *FOREIGN)
    for namespace, secret in zip(foreign, FOREIGN.values(), strict=True):
        cluster.core.create_namespaced_secret(namespace, {"metadata": {"name": "ecr-login"}, **secret})
    before = [cluster.secret(namespace) for namespace in foreign]

    run = ansible.play(task(options([*foreign, served], force=True)))
    assert states(run) == ["failed"] * len(foreign) + ["created"]
    for each, namespace in zip(run.result("Write")["namespaces"], foreign, strict=False):
        assert each["reason"] == "SecretConflict"
        assert f"secrets/ecr-login in namespace {namespace} exists and was not made by kube_ecr.secrets" in each["msg"]
    assert [cluster.secret(namespace) for namespace in foreign] == before
    assert "Traceback" not in run.output


def test_an_immutable_secret_of_ours_is_a_failure_with_a_remedy(ansible: Ansible, cluster: Cluster) -> None:
    frozen, served = cluster.namespaces("frozen", "served")
    ansible.play(task(options([frozen])))
    cluster.core.patch_namespaced_secret("ecr-login", frozen, {"immutable": True})
    run = ansible.play(task(options([frozen, served], force=True)))
    (told, _other) = run.result("Write")["namespaces"]
    assert (told["state"], told["reason"]) == ("failed", "ImmutableSecret")
    assert told["expires_at"] is not None, "its token still lives"
    assert states(run) == ["failed", "created"]


def test_a_secret_that_appears_between_read_and_write_is_not_overwritten(cluster: Cluster) -> None:
    """The moment cannot be hit from outside, so this begins where the read has found nothing."""
    (namespace,) = cluster.namespaces("race")
    cluster.core.create_namespaced_secret(namespace, {"metadata": {"name": "ecr-login"}, **FOREIGN["shared"]})
    before = cluster.secret(namespace)
    now = datetime.now(UTC)
    logins = Logins.of([Authorization(HOST, "AWS", CANARY, now + timedelta(hours=12), HOST)], now, "")
    request = Request(DesiredSecret("ecr-login", None, registries=(HOST,)), (namespace,))
    backend = client.connect({"kubeconfig": cluster.kubeconfig})
    serving = OwnSecretWriter(backend, request, AvailableLogins(logins, None), now, dry_run=False)
    with pytest.raises(KubernetesError) as refusal:
        serving.write(TargetState(namespace, is_read=True), logins)
    assert refusal.value.status == 409
    assert cluster.secret(namespace) == before


def test_namespaces_that_are_not_there_yet_or_on_their_way_out_are_pending(ansible: Ansible, cluster: Cluster) -> None:
    missing, terminating = cluster.names("missing", "terminating")
    (served,) = cluster.namespaces("served")
    cluster.terminating_namespace(terminating)
    run = ansible.play(task(options([missing, terminating, served])))
    assert [(each["state"], each["reason"]) for each in run.result("Write")["namespaces"]] == [
        ("pending", "NamespaceNotFound"),
        ("pending", "NamespaceTerminating"),
        ("created", ""),
    ]
    assert run.result("Write").get("failed", False) is False
    cluster.make_namespace(missing)
    assert states(ansible.play(task(options([missing])))) == ["created"]


def test_a_missing_right_is_told_with_verb_resource_and_namespace(ansible: Ansible, cluster: Cluster) -> None:
    allowed, denied, other = cluster.namespaces("allowed", "denied", "other")
    for namespace in (allowed, other):
        rule = ("--verb=get,patch,create", "--resource=secrets", "--resource-name=ecr-login")
        cluster.kubectl("create", "role", "writer", "-n", namespace, *rule)
        cluster.kubectl("create", "rolebinding", "writer", "-n", namespace, "--role=writer", "--user=narrow")
    kubeconfig = str(cluster.plane.kubeconfig_for("narrow"))
    run = ansible.play(task(options([allowed, denied, other], kubeconfig=kubeconfig)))
    assert states(run) == ["created", "failed", "created"]
    told = run.result("Write")["namespaces"][1]
    assert told["reason"] == "Forbidden"
    assert f"get secrets/ecr-login in namespace {denied}" in told["msg"]


@pytest.mark.slow
def test_names_are_not_masked_by_the_value_of_a_secret(ansible: Ansible, cluster: Cluster) -> None:
    """Ansible blots out no_log values wherever they occur: with the password `test`, team-test too."""
    names = cluster.namespaces("test", "team-test")
    cases = [(way, secret) for way in WAYS for secret in ("test", "e")]
    tasks = []
    for way, secret in cases:
        write = task(options(names, authorization(password=secret)), f"{way} {secret}", way)
        # From 2.22 on, ansible-core hides them from those who watch, but not from the tasks that follow.
        seen = ["written.namespaces | map(attribute='namespace') == names", "written.secret_name == 'ecr-login'"]
        tasks += [
            {**write, "register": "written"},
            {"ansible.builtin.assert": {"that": seen}, "vars": {"names": names}},
        ]
    run = ansible.play(*tasks)
    assert run.status == 0, run.output


@pytest.mark.slow
def test_the_shipped_module_gives_the_result_of_the_fast_path(ansible: Ansible, cluster: Cluster) -> None:
    given = authorization()
    (foreign, missing) = (*cluster.namespaces("foreign"), *cluster.names("missing"))
    cluster.kubectl("create", "secret", "generic", "ecr-login", "-n", foreign)
    served = dict(zip(WAYS, cluster.namespaces(*WAYS), strict=True))
    cases: dict[str, dict[str, Any]] = {
        "new": options([foreign, missing, "NAMESPACE"], given),
        "again": options(["NAMESPACE"], given),
        "refused": options(["NAMESPACE"], given, secret_name="Not Valid"),
        "no token": options(["NAMESPACE"], given, authorization_errors=[{"reason": "Throttled", "msg": "later"}]),
        "no cluster": options(["NAMESPACE"], given, kubeconfig="/nonexistent"),
    }
    tasks = []
    for case, chosen in cases.items():
        for way, namespace in served.items():
            targets = [namespace if each == "NAMESPACE" else each for each in chosen["namespaces"]]
            tasks.append(task({**chosen, "namespaces": targets}, f"{case} {way}", way))
    run = ansible.play(*tasks, args=("--diff",))
    for case in cases:
        fast, shipped = (_comparable(run.result(f"{case} {way}"), served[way]) for way in served)
        assert fast == shipped
    assert CANARY not in run.output


@pytest.mark.slow
def test_async_works_and_keeps_no_token(ansible: Ansible, cluster: Cluster) -> None:
    """But for ecr_token, whose result Ansible would keep."""
    (team,) = cluster.namespaces("team")
    waits = {"async": 60, "poll": 1}
    token = {"name": "Ask", "kube_ecr.secrets.ecr_token": {"region": "eu-west-1"}, "ignore_errors": True, **waits}
    info = {"name": "Look", "kube_ecr.secrets.ecr_pull_secret_info": {"namespaces": [team]}, **waits}
    jobs = ansible.home / "jobs"
    begin = {**task(options([team]), "Begin"), "async": 60, "poll": 0, "register": "job"}
    status = {"ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"}, "register": "found"}
    wait = {"name": "Wait", **status, "until": "found is finished", "retries": 60, "delay": 1}
    run = ansible.play(begin, wait, info, token, ANSIBLE_ASYNC_DIR=str(jobs))
    assert states(run, "Wait") == ["created"]
    assert [each["name"] for each in run.result("Look")["pull_secrets"]] == ["ecr-login"]
    assert "Ansible keeps the result of such a task in clear in a file" in run.result("Ask")["msg"]
    kept = [path for path in ansible.home.rglob("*") if path.is_file() and path.name != "playbook.yml"]
    assert [path for path in kept if jobs in path.parents], "Ansible keeps what a job that nobody waited for came to"
    assert not [path for path in kept if CANARY in path.read_text(errors="replace")]


def _comparable(result: dict[str, Any], namespace: str) -> str:
    kept = returned(result)
    # The two have seen the token at different times.
    kept |= {name: bool(kept.get(name)) for name in ("renew_after", "issued_at")}
    return str(sorted(kept.items())).replace(namespace, "NAMESPACE")


INVALID: dict[str, dict[str, Any]] = {
    "secret_name: 'Ecr' is not a valid Secret name": {"secret_name": "Ecr"},
    "namespaces: must list at least one": {"namespaces": []},
    "namespaces: '' is not a valid namespace name": {"namespaces": ["", "team-a"]},
    "authorizations: the list is empty": {"authorizations": []},
    "authorizations: is missing": {"authorizations": None},
    "labels: 'app.kubernetes.io/managed-by' is what kube_ecr.secrets itself uses": {
        "labels": {"app.kubernetes.io/managed-by": "me"}
    },
    "service_accounts: 'Build' is neither the name of a service account": {"service_accounts": ["Build"]},
    f"authorizations: the token for {HOST} expired at": {"authorizations": [authorization(timedelta(hours=-1))]},
    "NoCluster: Invalid kube-config file. Expected object with name nope": {"context": "nope"},
    "no connection to https://127.0.0.1:9": {"host": "https://127.0.0.1:9"},
}


def test_what_cannot_be_done_says_which_option(ansible: Ansible, cluster: Cluster) -> None:
    run = ansible.play(*(task(options(["default"]) | changes, words) for words, changes in INVALID.items()))
    for words in INVALID:
        assert words in run.result(words)["msg"]
        assert run.result(words)["changed"] is False
    assert cluster.secret("default") is None


def test_without_a_token_it_tells_who_can_still_pull_and_writes_nothing(ansible: Ansible, cluster: Cluster) -> None:
    served, empty = cluster.namespaces("served", "empty")
    missing, terminating = cluster.names("missing", "terminating")
    cluster.terminating_namespace(terminating)
    ansible.play(task(options([served])))
    before = cluster.secret(served)
    error = {"reason": "ThrottlingException", "msg": "AWS throttled the call"}
    targets = options([served, empty, missing, terminating], authorization_errors=[error])
    run = ansible.play(task({**targets, "authorizations": []}))
    assert states(run) == ["unchanged", "failed", "pending", "pending"]
    assert run.result("Write")["error"] == error
    assert cluster.secret(served) == before
    assert cluster.secret(empty) is None
