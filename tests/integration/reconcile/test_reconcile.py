"""The reconcile playbook over the inventory of a real cluster, as a user without the runner has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import Cluster, encoded, pull_secret
from tests.support.harness.ansible import Ansible, Run
from tests.support.harness.processes import watch_processes

ROOT = Path(__file__).parents[3]
WRITE = "Write the pull secrets"
AMBIENT = {
    "AWS_PROFILE": "nope",
    "AWS_SESSION_TOKEN": "stale",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_REGION": "us-east-2",
}


SHOW_ALL = {"ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "1", "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "0"}


def state(run: Run, name: str) -> dict[str, str]:
    return {each["namespace"]: each["state"] for each in run.items(WRITE)[name]["namespaces"]}


def test_both_kinds_from_one_call_then_nothing_to_do(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """One has its keys in plain text, the other in base64; what is ambient in the environment means nothing to both."""
    own, *shared = cluster.namespaces("own", "ns1", "ns2")
    cluster.apply(
        pull_secret("app", principal, namespace=own), pull_secret("shared", encoded(principal), namespaces=shared)
    )
    first = ansible.reconcile(**AMBIENT)
    assert first.status == 0, first.output
    assert state(first, "app") == {own: "created"}
    assert state(first, "shared") == dict.fromkeys(shared, "created")
    assert aws.count("GetAuthorizationToken") == 1
    for namespace in (own, *shared):
        login = cluster.config(namespace)["auths"][principal.registry()]
        assert aws.verify(principal.registry(), login["username"], login["password"])
    (owner,) = cluster.secret(own)["metadata"]["ownerReferences"]  # type: ignore[index]
    resource = cluster.resource("AWSECRImagePullSecret", "app", own)
    assert (owner["kind"], owner["name"], owner["uid"]) == ("AWSECRImagePullSecret", "app", resource["metadata"]["uid"])

    before = [cluster.secret(namespace) for namespace in (own, *shared)]
    second = ansible.reconcile()
    assert state(second, "shared") == dict.fromkeys(shared, "unchanged")
    assert "changed=0" in second.stdout
    assert [cluster.secret(namespace) for namespace in (own, *shared)] == before


def test_a_deleted_resource_takes_its_secrets_along_and_no_others(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    own, ns1, ns2 = cluster.namespaces("own", "ns1", "ns2")
    cluster.apply(pull_secret("app", principal, namespace=own), pull_secret("shared", principal, namespaces=[ns1, ns2]))
    ansible.reconcile()
    cluster.delete("ClusterAWSECRImagePullSecret", "shared")
    cluster.wait(lambda: cluster.secret(ns1) is cluster.secret(ns2) is None, "the garbage collector has been there")
    assert cluster.secret(own) is not None


def test_wrong_keys_cost_only_their_own_resources(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    wrong = Principal(principal.access_key, "canary-secret", principal.account)
    left, right = cluster.namespaces("left", "right")
    cluster.apply(pull_secret("bad", wrong, namespace=left), pull_secret("good", principal, namespace=right))
    run = ansible.reconcile()
    assert state(run, "good") == {right: "created"}
    assert run.items(WRITE)["bad"]["error"]["reason"] == "InvalidSignatureException"
    assert "base64" in run.items(WRITE)["bad"]["msg"]
    assert cluster.secret(left) is None
    assert run.status == 2
    assert "canary" not in run.output


def test_changed_keys_replace_a_token_that_still_lives(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Twice: to keys of another account, then a second resource of the first account, which must not mix."""
    left, right = cluster.namespaces("left", "right")
    cluster.apply(pull_secret("app", principal, namespace=left))
    ansible.reconcile()
    other = aws.principal(account="444455556666")
    cluster.apply(pull_secret("app", other, namespace=left), pull_secret("app", principal, namespace=right))
    aws.forget_calls()
    run = ansible.reconcile()
    assert run.status == 0, run.output
    assert cluster.config(left)["auths"].keys() == {other.registry()}
    assert cluster.config(right)["auths"].keys() == {principal.registry()}
    assert {call.access_key for call in aws.calls} == {other.access_key, principal.access_key}


def test_an_outage_of_aws_leaves_secrets_as_they_are(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """A namespace that appears meanwhile is served all the same, while a token lives."""
    served, missing, late = (*cluster.namespaces("served"), *cluster.names("missing", "late"))
    cluster.apply(pull_secret("shared", principal, namespaces=[served, missing, late]))
    ansible.reconcile()
    cluster.age_secret(served)
    before = cluster.secret(served)
    cluster.make_namespace(missing)
    aws.stop()
    run = ansible.reconcile()
    assert state(run, "shared") == {served: "unchanged", missing: "created", late: "pending"}
    assert run.items(WRITE)["shared"]["error"]["reason"] == "Unreachable"
    assert cluster.secret(served) == before
    assert cluster.config(missing) == cluster.config(served)

    for namespace in (served, missing):
        cluster.age_secret(namespace, dead=True)
    cluster.make_namespace(late)
    assert set(state(ansible.reconcile(), "shared").values()) == {"failed"}
    aws.start()
    assert state(ansible.reconcile(), "shared") == {served: "updated", missing: "updated", late: "created"}


def test_a_token_that_is_held_serves_new_namespaces_without_a_call_to_aws(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    served, late = (*cluster.namespaces("served"), *cluster.names("late"))
    cluster.apply(pull_secret("shared", principal, namespaces=[served, late]))
    ansible.reconcile()
    cluster.make_namespace(late)
    aws.forget_calls()
    assert state(ansible.reconcile(), "shared") == {served: "unchanged", late: "created"}
    assert aws.calls == []
    assert cluster.config(late) == cluster.config(served)


@pytest.mark.slow
@pytest.mark.parametrize(("edited", "words"), [(False, "NotFound"), (True, "was edited or made again")])
def test_a_resource_that_is_another_when_its_keys_are_needed_fails_with_a_reason(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal, edited: bool, words: str
) -> None:
    """The inventory of a moment ago, as a file: its first resource was deleted or edited since."""
    (own,) = cluster.namespaces("own")
    cluster.apply(pull_secret("app", principal, namespace=own))
    listing = ansible.run("ansible-inventory", "-i", ansible.inventory(), "--list", "--export")
    stale = json.loads(listing.stdout)["_meta"]["hostvars"]
    if edited:
        cluster.apply(pull_secret("app", aws.principal(), namespace=own))
    else:
        cluster.delete("AWSECRImagePullSecret", "app", own)
    path = ansible.home / "stale.json"
    path.write_text(json.dumps({"aws_identities": {"hosts": stale}}))
    run = ansible.run("ansible-playbook", "-i", str(path), "kube_ecr.secrets.reconcile")
    assert run.items(WRITE)["app"]["error"]["reason"] == "CredentialsUnavailable"
    assert words in run.items(WRITE)["app"]["error"]["msg"]
    assert aws.calls == []


@pytest.fixture(params=["this", "oldest"])
def any_ansible(request: pytest.FixtureRequest, ansible: Ansible, cluster: Cluster, aws: AWSEndpoint) -> Ansible:
    """Ansible of the version that the tests run with, and of the oldest that is supported."""
    return ansible if request.param == "this" else ansible.oldest()


@pytest.mark.usefixtures("loose_crds")
def test_text_of_a_resource_is_never_a_template(
    any_ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, tmp_path: Path
) -> None:
    """Each hostile resource fails alone and literally; a key that looks like a template is only a key."""
    pwned = tmp_path / "pwned"
    run_it = f"lookup('ansible.builtin.pipe', 'touch {pwned}')"
    hostile = [
        f"{{{{ {run_it} }}}}",
        f"{{% set x = {run_it} %}}",
        "{% raw %}",
        "!vault |",
        "!unsafe x",
        "{{",
        "{{ 7*7 }}",
    ]
    principal = aws.principal(secret_key="{{7*7}}/{%raw%}+{#x#}{{")
    good, bad = cluster.namespaces("good", "bad")
    named = [pull_secret(f"name-{i}", principal, namespace=bad, secret_name=text) for i, text in enumerate(hostile)]
    listed = [pull_secret(f"list-{i}", principal, namespaces=[good, text]) for i, text in enumerate(hostile)]
    placed = [pull_secret(f"region-{i}", principal, namespace=bad, region=text) for i, text in enumerate(hostile)]
    harmless = pull_secret("harmless", principal, namespace=good)
    harmless["metadata"]["annotations"] = {f"example.com/{i}": text for i, text in enumerate(hostile)}
    cluster.apply(*named, *listed, *placed, harmless)

    run = any_ansible.reconcile("-vvvv")
    items = run.items(WRITE)
    assert state(run, "harmless") == {good: "created"}
    assert len(items) == 1 + 3 * len(hostile)
    for i, text in enumerate(hostile):
        for kind, field in (
            ("name", "spec.secretName"),
            ("list", "spec.namespaces"),
            ("region", "spec.awsAccess.region"),
        ):
            error = items[f"{kind}-{i}"]["error"]
            assert error["reason"] == "InvalidResource"
            assert error["msg"].startswith(f"{field}: {text!r} ")
    assert not pwned.exists()
    assert '"49"' not in json.dumps(run.results)


@pytest.mark.slow
def test_how_servers_are_reached_is_no_matter_here(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Such variables stand in the group_vars/all of many."""
    (own,) = cluster.namespaces("own")
    cluster.apply(pull_secret("app", principal, namespace=own))
    reached = {
        "ansible_become": True,
        "ansible_become_user": "nobody",
        "ansible_connection": "ssh",
        "ansible_host": "192.0.2.1",
        "ansible_python_interpreter": "/nonexistent",
    }
    run = ansible.reconcile("-e", json.dumps(reached))
    assert run.status == 0, run.output
    assert state(run, "app") == {own: "created"}


def test_settings_left_over_leave_nothing_out(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Of another playbook in the same job, say; with another account that fails at the same time."""
    own, other = cluster.namespaces("own", "other")
    refused = aws.principal(allowed=False)
    cluster.apply(pull_secret("app", principal, namespace=own), pull_secret("refused", refused, namespace=other))
    run = ansible.reconcile(
        ANSIBLE_RUN_TAGS="deploy",
        ANSIBLE_STRATEGY="free",
        ANSIBLE_ANY_ERRORS_FATAL="1",
        ANSIBLE_NO_LOG="1",
        ANSIBLE_GATHERING="smart",
        ANSIBLE_HASH_BEHAVIOUR="merge",
        ANSIBLE_HOST_PATTERN_MISMATCH="error",
        ANSIBLE_STDOUT_CALLBACK="minimal",
    )
    assert run.status == 2, run.output
    assert cluster.secret(own)
    assert own not in run.stdout, "no_log holds for each line of a task"


def test_the_oldest_supported_versions_serve_both_kinds(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    own, ns1 = cluster.namespaces("own", "ns1")
    cluster.apply(pull_secret("app", principal, namespace=own), pull_secret("shared", principal, namespaces=[ns1]))
    run = ansible.oldest().reconcile()
    assert run.status == 0, run.output
    assert state(run, "app") == {own: "created"}
    assert state(run, "shared") == {ns1: "created"}
    assert "changed=0" in ansible.reconcile().stdout, "both write the same"


@pytest.mark.slow
@pytest.mark.parametrize("key", ["test", "e"])
def test_keys_of_localstack_work_and_mask_nothing(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, key: str
) -> None:
    names = cluster.namespaces("test", "team-test")
    cluster.apply(pull_secret("test", aws.principal(access_key=key, secret_key=key), namespaces=names))
    run = ansible.reconcile("-v")
    assert state(run, "test") == dict.fromkeys(names, "created")
    assert run.items(WRITE)["test"]["secret_name"] == "ecr-login"


@pytest.mark.parametrize("failing", [False, True], ids=["success", "failure"])
def test_no_key_and_no_token_leaves_memory(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal, failing: bool
) -> None:
    """Everything that a run prints or leaves behind at -vvvv is searched, and while it runs every process."""
    own, foreign = cluster.namespaces("own", "foreign")
    cluster.kubectl("create", "secret", "generic", "ecr-login", "-n", foreign)
    cluster.apply(pull_secret("app", principal, namespace=own), pull_secret("shared", principal, namespaces=[foreign]))
    if failing:
        aws.fail("InvalidSignatureException", f"Authorization: {principal.secret_key}")
    aws.latency = 0.5
    temporary = ansible.home / "tmp"
    temporary.mkdir()
    with watch_processes(ansible.home) as seen:
        run = ansible.reconcile("-vvvv", "--diff", TMPDIR=str(temporary), ANSIBLE_LOG_PATH="log", **SHOW_ALL)
    assert run.status == 2
    assert len(run.items(WRITE)) == 2
    left = [path.read_bytes() for path in ansible.home.rglob("*") if path.is_file()]
    secrets = [principal.secret_key, principal.access_key]
    if not failing:
        password = cluster.config(own)["auths"][principal.registry()]["password"]
        secrets += [password, password[-40:]]
    for secret in secrets:
        assert secret not in run.output
        assert not any(secret.encode() in content for content in (*left, *seen))
    assert any(b"kube_ecr.secrets.reconcile" in content for content in seen), "the run itself was seen"
    assert any(b"Write the pull secrets" in content for content in left), "the log was read"
