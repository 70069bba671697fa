"""Every way into AWS through the runner, and what makes it look again: new keys, a role, an allowance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import (
    CLUSTER,
    NAMESPACED,
    Cluster,
    condition,
    keys_secret,
    pull_secret,
    service_account,
)
from tests.support.harness.ansible import Ansible
from tests.support.harness.processes import contents_below, watch_processes
from tests.support.harness.runner import Runner
from tests.support.registry.server import Registry

ALLOWED = "aws.zakariaamine.com/allowed-aws-identities"
EXTERNAL_ID = "canary-external-id"
DOCUMENT = Path(__file__).parents[2] / "docs" / "aws-identities.md"
BASE_ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "runner"},
    "rules": [
        {"apiGroups": ["aws.zakariaamine.com"], "resources": ["*"], "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["ecr-login", "ecr-account"],
            "verbs": ["get", "create", "patch"],
        },
    ],
}


def logins(cluster: Cluster, namespace: str, name: str = "ecr-login") -> list[str]:
    return sorted(cluster.config(namespace, name)["auths"])


def refresh_failing(cluster: Cluster, kind: str, name: str, namespace: str) -> dict:
    return condition(cluster.resource(kind, name, namespace), "RefreshFailing")


@pytest.mark.slow
@pytest.mark.versions
def test_new_keys_in_a_secret_renew_the_pull_secret_at_once_also_after_a_restart(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, registry: Registry, start: Callable[..., Runner]
) -> None:
    """The old token has hours left; the old keys are never used again."""
    own, other = cluster.namespaces("own", "other")
    resource = pull_secret("own", None, namespace=own, credentialsSecretRef={"name": "aws"})
    cluster.apply(resource, pull_secret("other", principal, namespace=other))
    runner = start()
    waiting = cluster.wait_ready(NAMESPACED, "own", own, "False")
    assert condition(waiting, "Ready")["reason"] == "CredentialsSecretNotFound"

    cluster.apply(keys_secret("aws", own, principal))
    cluster.wait_ready(NAMESPACED, "own", own)
    untouched = cluster.secret(other)
    digest = registry.push(principal.registry(), "team/app:1")
    assert registry.pull(principal.registry(), "team/app:1", json.dumps(cluster.config(own))) == digest

    second, third = aws.principal(account="444455556666"), aws.principal(account="555566667777")
    aws.forget_calls()
    cluster.apply(keys_secret("aws", own, second))
    cluster.wait(lambda: logins(cluster, own) == [second.registry()], "the new keys are used")
    assert {call.access_key for call in aws.calls} == {second.access_key}
    assert runner.stop() == 0
    cluster.apply(keys_secret("aws", own, third))
    start()
    cluster.wait(lambda: logins(cluster, own) == [third.registry()], "keys that came while it was down are used")
    assert cluster.secret(other) == untouched


def documented_rights(namespace: str) -> Iterator[dict]:
    """Yield the RBAC objects of docs/aws-identities.md, for a user `runner` and that namespace."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    for manifest in (each for block in blocks for each in yaml.safe_load_all(block)):
        if manifest.get("apiVersion") == "rbac.authorization.k8s.io/v1":
            if "namespace" in manifest["metadata"]:
                manifest["metadata"]["namespace"] = namespace
            if "subjects" in manifest:
                manifest["subjects"] = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "runner"}]
            yield manifest


@pytest.fixture
def narrow(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """A namespace, and the kubeconfig of one who may do what every runner has to, and what the document names."""
    (own,) = cluster.namespaces("own")
    base = ["clusterrole", "runner", "clusterrolebinding", "runner"]
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(BASE_ROLE))
    cluster.kubectl("create", "clusterrolebinding", "runner", "--clusterrole=runner", "--user=runner")
    rights = [*documented_rights(own)]
    binding = {"kind": "ClusterRole", "name": "kube-ecr-namespaces", "apiGroup": "rbac.authorization.k8s.io"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "runner"}]
    rights.append(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "kube-ecr-namespaces"},
            "roleRef": binding,
            "subjects": subjects,
        }
    )
    cluster.apply(*rights)
    yield own, str(cluster.plane.kubeconfig_for("runner"))
    cluster.kubectl("delete", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": rights}))
    cluster.kubectl("delete", f"{base[0]}/{base[1]}", f"{base[2]}/{base[3]}")


@pytest.mark.slow
def test_the_rights_that_the_document_names_are_enough(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, narrow: tuple[str, str], start: Callable[..., Runner]
) -> None:
    """Of Secrets and service accounts the runner has no right beside them; what lacks is told by verb and object."""
    own, kubeconfig = narrow
    aws.trust_issuer(cluster.plane.issuer, cluster.plane.issuer_key)
    role = aws.role("reader", account="444455556666", web_identities=[f"system:serviceaccount:{own}:ecr-pull"])
    cluster.apply(
        keys_secret("aws-keys", own, principal),
        keys_secret("other-keys", own, principal),
        service_account("ecr-pull", own, role.arn()),
        pull_secret("keys", None, namespace=own, secret_name="ecr-login", credentialsSecretRef={"name": "aws-keys"}),
        pull_secret("account", None, namespace=own, secret_name="ecr-account", serviceAccountRef={"name": "ecr-pull"}),
        pull_secret("barred", None, namespace=own, credentialsSecretRef={"name": "other-keys"}),
    )
    runner = start(K8S_AUTH_KUBECONFIG=kubeconfig)
    cluster.wait_ready(NAMESPACED, "keys", own)
    cluster.wait_ready(NAMESPACED, "account", own)
    barred = condition(cluster.wait_ready(NAMESPACED, "barred", own, "False"), "Ready")
    assert barred["reason"] == "Forbidden"
    assert f"get secrets/other-keys in namespace {own}" in barred["message"]
    cluster.wait(lambda: "a change of ServiceAccount ecr-pull is noticed only when" in runner.log, "the log says so")
    other = aws.principal(account="555566667777")
    cluster.apply(keys_secret("aws-keys", own, other))
    cluster.wait(lambda: logins(cluster, own) == [other.registry()], "the new keys are used")


@pytest.mark.slow
@pytest.mark.versions
def test_a_service_account_is_served_as_soon_as_it_and_its_role_are_there(
    cluster: Cluster, aws: AWSEndpoint, start: Callable[..., Runner]
) -> None:
    (own,) = cluster.namespaces("own")
    aws.trust_issuer(cluster.plane.issuer, cluster.plane.issuer_key)
    role = aws.role("reader", account="444455556666", web_identities=[f"system:serviceaccount:{own}:puller"])
    cluster.apply(pull_secret("own", None, namespace=own, serviceAccountRef={"name": "puller"}))
    start()
    missing = cluster.wait_ready(NAMESPACED, "own", own, "False")
    assert condition(missing, "Ready")["reason"] == "ServiceAccountNotFound"
    cluster.apply(service_account("puller", own))
    cluster.wait(
        lambda: refresh_failing(cluster, NAMESPACED, "own", own).get("reason") == "InvalidServiceAccount",
        "it says that no role is named",
    )
    cluster.apply(service_account("puller", own, role.arn()))
    cluster.wait_ready(NAMESPACED, "own", own)
    assert logins(cluster, own) == [role.registry()]
    assert [call.session_name for call in aws.calls if call.session_name] == [f"kube-ecr@{own}@own"]


@pytest.mark.slow
def test_the_runners_own_identity_serves_the_administrator_and_whom_he_allows(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, start: Callable[..., Runner]
) -> None:
    """It comes from the runner's environment, out of which no key reaches a file or a child of the runner."""
    tenant, other, shared = cluster.namespaces("tenant", "other", "shared")
    role = aws.role("team-reader", account="444455556666", trusts=[principal])
    cluster.apply(
        pull_secret("shared", None, namespaces=[shared]),
        pull_secret("tenant", None, namespace=tenant),
        pull_secret("other", None, namespace=other, roleArn=role.arn()),
    )
    start(
        "--allowed-aws-identities=arn:aws:iam::444455556666:role/team-*",
        AWS_ACCESS_KEY_ID=principal.access_key,
        AWS_SECRET_ACCESS_KEY=principal.secret_key,
    )
    cluster.wait_ready(CLUSTER, "shared")
    cluster.wait_ready(NAMESPACED, "other", other)
    assert logins(cluster, other) == [role.registry()]
    refused = condition(cluster.wait_ready(NAMESPACED, "tenant", tenant, "False"), "Ready")
    assert refused["reason"] == "IdentityNotAllowed"
    assert f"kubectl annotate namespace {tenant} {ALLOWED}=runner" in refused["message"]
    cluster.kubectl("annotate", "namespace", tenant, f"{ALLOWED}=runner")
    cluster.wait_ready(NAMESPACED, "tenant", tenant)


@pytest.mark.slow
@pytest.mark.parametrize("sts", [None, "http://127.0.0.1:9"], ids=["one endpoint", "no STS"])
def test_the_runners_own_web_identity_needs_no_endpoint_but_the_option(
    cluster: Cluster, aws: AWSEndpoint, ansible: Ansible, start: Callable[..., Runner], sts: str | None
) -> None:
    """As EKS gives it to the pod of the runner (IRSA). STS may have another endpoint, and is named if it is away."""
    (shared,) = cluster.namespaces("shared")
    aws.trust_issuer(cluster.plane.issuer, cluster.plane.issuer_key)
    role = aws.role("pod", account="444455556666", web_identities=["system:serviceaccount:default:default"])
    token = ansible.home / "token"
    token.write_text(cluster.kubectl("create", "token", "default", "--audience=sts.amazonaws.com"))
    cluster.create(pull_secret("shared", None, namespaces=[shared]))
    web_identity = {"AWS_ROLE_ARN": role.arn(), "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}
    runner = start(**web_identity, **({"AWS_ENDPOINT_URL_STS": sts} if sts else {}))
    ready = condition(cluster.wait_ready(CLUSTER, "shared", status="False" if sts else "True"), "Ready")
    if sts:
        assert ready["reason"] == "Unreachable"
        assert f"AWS STS AssumeRoleWithWebIdentity in eu-west-1 at {sts}: Unreachable: " in ready["message"]
        assert aws.calls == []
    else:
        assert logins(cluster, shared) == [role.registry()]
    assert token.read_text() not in runner.log


@pytest.mark.slow
def test_a_role_on_top_of_keys_and_many_registries(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, registry: Registry, start: Callable[..., Runner]
) -> None:
    own, localstack = cluster.namespaces("own", "team-test")
    role = aws.role("reader", account="444455556666", trusts=[principal], external_id=EXTERNAL_ID)
    hosts = ["111122223333.dkr.ecr.eu-central-1.amazonaws.com", "444455556666.dkr.ecr.eu-west-1.amazonaws.com"]
    cluster.apply(
        keys_secret("aws", own, principal),
        keys_secret("aws", localstack, aws.principal(access_key="t", secret_key="t")),
        pull_secret(
            "own",
            None,
            namespace=own,
            registries=[*hosts, "public.ecr.aws"],
            credentialsSecretRef={"name": "aws"},
            roleArn=role.arn(),
            externalId=EXTERNAL_ID,
        ),
        pull_secret("test", None, namespace=localstack, credentialsSecretRef={"name": "aws"}),
    )
    start()
    own_status = cluster.wait_ready(NAMESPACED, "own", own)["status"]
    assert own_status["registries"] == sorted([*hosts, "public.ecr.aws"]) == logins(cluster, own)
    config = json.dumps(cluster.config(own))
    for host in (*hosts, "public.ecr.aws"):
        digest = registry.push(host, "team/app:1")
        assert registry.pull(host, "team/app:1", config) == digest
    one_letter = condition(cluster.wait_ready(NAMESPACED, "test", localstack), "Ready")
    assert f"Secret ecr-login is up to date in namespaces: {localstack};" in one_letter["message"]

    aws.fail("InternalFailure", status=500, region="us-east-1")
    cluster.kubectl("annotate", "secret", "ecr-login", "-n", own, "expiry=2026-01-01T00:00:00Z", "--overwrite")
    role_only = {"spec": {"awsAccess": {"region": "eu-central-1"}}}
    cluster.kubectl("patch", "aeps", "own", "-n", own, "--type=merge", "-p", json.dumps(role_only))
    broken = condition(cluster.wait_ready(NAMESPACED, "own", own, "False"), "Ready")
    assert broken["reason"] == "ServerError"
    assert logins(cluster, own) == hosts
    aws.heal()
    cluster.wait_ready(NAMESPACED, "own", own)
    assert logins(cluster, own) == sorted([*hosts, "public.ecr.aws"])


@pytest.mark.parametrize("failing", [False, True], ids=["success", "failure"])
def test_no_secret_of_any_way_leaves_memory(
    cluster: Cluster,
    aws: AWSEndpoint,
    principal: Principal,
    ansible: Ansible,
    start: Callable[..., Runner],
    failing: bool,
) -> None:
    """Log, status, events, metrics, annotations, files while it runs, environments and command lines of its children.

    ansible-playbook prints all that it can, and that is in the log.
    """
    own, other, shared = cluster.namespaces("own", "other", "shared")
    aws.trust_issuer(cluster.plane.issuer, cluster.plane.issuer_key)
    ambient = aws.principal()
    first = aws.role("first", web_identities=[f"system:serviceaccount:{own}:puller"])
    second = aws.role("second", trusts=[first, principal, ambient], external_id=EXTERNAL_ID)
    assumed = {"roleArn": second.arn(), "externalId": "canary-wrong-id" if failing else EXTERNAL_ID}
    cluster.apply(
        service_account("puller", own, first.arn()),
        keys_secret("aws", other, principal),
        pull_secret("own", None, namespace=own, serviceAccountRef={"name": "puller"}, **assumed),
        pull_secret("other", None, namespace=other, credentialsSecretRef={"name": "aws"}, **assumed),
        pull_secret("shared", None, namespaces=[shared], **assumed),
    )
    aws.latency = 0.5
    resources = ((NAMESPACED, "own", own), (NAMESPACED, "other", other), (CLUSTER, "shared", ""))
    with watch_processes(ansible.home) as seen:
        keys = {"AWS_ACCESS_KEY_ID": ambient.access_key, "AWS_SECRET_ACCESS_KEY": ambient.secret_key}
        runner = start("--ansible-verbosity", "7", "--ansible-args", "--diff", "--log-level", "debug", **keys)
        cluster.wait(lambda: aws.count("AssumeRole"), "AWS was asked")
        # That of the runner itself is where the user put these keys.
        given = Path(f"/proc/{runner.process.pid}/environ").read_bytes()
        private = contents_below(runner.temporary)
        for resource in resources:
            cluster.wait_ready(*resource, status="False" if failing else "True")
        told = runner.ask("/metrics")[1]
    assert runner.stop() == 0
    assert "ansible-playbook output=" in runner.log
    assert "TASK [Write the pull secrets]" in runner.log
    assert ambient.secret_key.encode() in given
    children = seen - {given}
    program = [content for content in private if b"credential_process" in content]
    assert program, "the private files were seen"
    assert all(aws.url.encode() in content for content in program), "it asks STS at the endpoint that is given"
    told += runner.log + cluster.kubectl("get", "events", "-A", "-o=jsonpath={..message}")
    told += cluster.kubectl(
        "get", "secrets", "-A", "--field-selector=metadata.name=ecr-login", "-o=jsonpath={..annotations}"
    )
    told += json.dumps([cluster.resource(*resource)["status"] for resource in resources])
    secrets = [assumed["externalId"], *aws.session_secrets, *aws.web_identity_tokens]
    secrets += [key for each in (principal, ambient) for key in (each.access_key, each.secret_key)]
    for namespace in () if failing else (own, other, shared):
        for login in cluster.config(namespace)["auths"].values():
            secrets += [login["auth"], login["password"]]
    assert len(aws.web_identity_tokens) >= 1
    assert len(aws.session_secrets) >= (2 if failing else 8)
    for secret in secrets:
        assert secret not in told
        assert not any(secret.encode() in content for content in (*children, *private, *contents_below(ansible.home)))
    assert any(b"ansible\0playbook" in content for content in children)
