"""Every way into AWS and every registry, through the reconcile playbook as a user without the runner has it."""

from __future__ import annotations

import json

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import Cluster, keys_secret, pull_secret, service_account
from tests.support.harness.ansible import Ansible, Run
from tests.support.harness.processes import watch_processes

WRITE = "Write the pull secrets"
EXTERNAL_ID = "canary-external-id"
ALLOWED = "aws.zakariaamine.com/allowed-aws-identities"


def states(run: Run, name: str) -> dict[str, str]:
    return {each["namespace"]: each["state"] for each in run.items(WRITE)[name]["namespaces"]}


def error(run: Run, name: str) -> dict[str, str]:
    return run.items(WRITE)[name]["error"]


def ambient(principal: Principal) -> dict[str, str]:
    """Return the environment of a controller that is this principal."""
    return {"AWS_ACCESS_KEY_ID": principal.access_key, "AWS_SECRET_ACCESS_KEY": principal.secret_key}


def assert_logins(cluster: Cluster, aws: AWSEndpoint, namespace: str, *hosts: str) -> None:
    """The Secret logs in to these registries and to no other."""
    logins = cluster.config(namespace)["auths"]
    assert sorted(logins) == sorted(hosts)
    for host, login in logins.items():
        assert aws.verify(host, login["username"], login["password"]), host


def token_requests(cluster: Cluster) -> int:
    """Return how many tokens of service accounts the API server was asked for."""
    lines = cluster.kubectl("get", "--raw", "/metrics").splitlines()
    counters = [each for each in lines if each.startswith("apiserver_request_total{")]
    return sum(int(each.rpartition(" ")[2]) for each in counters if 'subresource="token"' in each)


@pytest.fixture
def trust(cluster: Cluster, aws: AWSEndpoint) -> None:
    """AWS trusts the issuer of the cluster's service accounts."""
    aws.trust_issuer(cluster.plane.issuer, cluster.plane.issuer_key)


@pytest.mark.slow
def test_keys_in_a_secret_and_the_same_inline_share_a_call_until_they_are_rotated(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    own, shared, inline = cluster.namespaces("own", "shared", "inline")
    names = {"accessKeyIdKey": "id", "secretAccessKeyKey": "key"}
    cluster.apply(
        keys_secret("aws", own, principal),
        keys_secret("aws", shared, principal, AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="key"),
        pull_secret("own", None, namespace=own, credentialsSecretRef={"name": "aws"}),
        pull_secret(
            "shared", None, namespaces=[shared], credentialsSecretRef={"name": "aws", "namespace": shared, **names}
        ),
        pull_secret("inline", principal, namespace=inline, region="us-east-1"),
    )
    run = ansible.reconcile()
    assert run.status == 0, run.output
    assert_logins(cluster, aws, own, principal.registry())
    assert_logins(cluster, aws, shared, principal.registry())
    assert_logins(cluster, aws, inline, principal.registry("us-east-1"))
    assert sorted(call.region for call in aws.calls) == ["eu-west-1", "us-east-1"], "one call for each region"

    other = aws.principal(account="444455556666")
    cluster.apply(keys_secret("aws", own, other))
    again = ansible.reconcile()
    assert states(again, "own") == {own: "updated"}
    assert states(again, "shared") == {shared: "unchanged"}
    assert_logins(cluster, aws, own, other.registry())


@pytest.mark.slow
def test_temporary_keys_in_a_secret_bring_their_session_token(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    (own,) = cluster.namespaces("own")
    role = aws.role("reader", trusts=[principal])
    session = aws.session(role, "somebody")
    secret = keys_secret("aws", own, session)
    resource = pull_secret("own", None, namespace=own, credentialsSecretRef={"name": "aws"})
    cluster.apply(secret, resource)
    assert error(ansible.reconcile(), "own")["reason"] == "UnrecognizedClientException"
    secret["stringData"]["AWS_SESSION_TOKEN"] = session.session_token
    cluster.apply(secret)
    assert states(ansible.reconcile(), "own") == {own: "created"}


@pytest.mark.usefixtures("trust")
def test_a_service_account_assumes_the_role_of_its_annotation_or_of_the_resource_or_both(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint
) -> None:
    """Tokens are real ones of the API server; the AWS endpoint verifies them with the keys of its issuer."""
    own, shared = cluster.namespaces("own", "shared")
    subjects = [f"system:serviceaccount:{namespace}:puller" for namespace in (own, shared)]
    first = aws.role("first", account="444455556666", web_identities=subjects)
    second = aws.role("second", account="555566667777", trusts=[first], external_id=EXTERNAL_ID)
    reference = {"name": "puller"}
    chained = {"roleArn": second.arn(), "externalId": EXTERNAL_ID}
    cluster.apply(
        service_account("puller", own, first.arn()),
        service_account("puller", shared),
        pull_secret("annotated", None, namespace=own, secret_name="annotated", serviceAccountRef=reference),
        pull_secret("chained", None, namespace=own, secret_name="chained", serviceAccountRef=reference, **chained),
        pull_secret(
            "named",
            None,
            namespaces=[shared],
            serviceAccountRef={**reference, "namespace": shared},
            roleArn=first.arn(),
        ),
    )
    before = token_requests(cluster)
    run = ansible.reconcile()
    assert run.status == 0, run.output
    assert token_requests(cluster) == before + 3, "one for each identity"
    assert cluster.config(own, "annotated")["auths"].keys() == {first.registry()}
    assert cluster.config(own, "chained")["auths"].keys() == {second.registry()}
    assert_logins(cluster, aws, shared, first.registry())
    sessions = [(call.operation, call.session_name) for call in aws.calls if call.session_name]
    assert sorted(sessions) == [
        ("AssumeRole", f"kube-ecr@{own}@chained"),
        ("AssumeRoleWithWebIdentity", "kube-ecr@named"),
        ("AssumeRoleWithWebIdentity", f"kube-ecr@{own}@annotated"),
        ("AssumeRoleWithWebIdentity", f"kube-ecr@{own}@chained"),
    ]
    assert aws.count("GetAuthorizationToken") == 3


def test_a_role_is_assumed_with_its_external_id_and_refused_without(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    right, wrong, none, stranger = cluster.namespaces("right", "wrong", "none", "stranger")
    role = aws.role("reader", account="444455556666", trusts=[principal], external_id=EXTERNAL_ID)
    barred = aws.role("barred", account="444455556666", trusts=[principal], allowed=False)
    cluster.apply(
        pull_secret("right", principal, namespace=right, roleArn=role.arn(), externalId=EXTERNAL_ID),
        pull_secret("wrong", principal, namespace=wrong, roleArn=role.arn(), externalId="canary-wrong"),
        pull_secret("none", principal, namespace=none, roleArn=role.arn()),
        pull_secret("stranger", aws.principal(), namespace=stranger, roleArn=role.arn(), externalId=EXTERNAL_ID),
        pull_secret("barred", principal, namespace=none, roleArn=barred.arn()),
    )
    run = ansible.reconcile()
    assert_logins(cluster, aws, right, role.registry())
    for name in ("wrong", "none", "stranger"):
        told = error(run, name)
        assert told["reason"] == "AccessDeniedException"
        for words in ("AWS STS AssumeRole of", role.arn(), "arn:aws:iam::111122223333:user/test", "trust policy"):
            assert words in told["msg"]
    assert "no external ID" in error(run, "none")["msg"]
    principal_of_session = f"assumed-role/barred/kube-ecr@{none}@barred do not allow ecr:GetAuthorizationToken"
    assert principal_of_session in error(run, "barred")["msg"]
    assert "canary" not in run.output


@pytest.mark.slow
def test_what_sts_refuses_of_a_service_account_says_what_has_to_trust_whom(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint
) -> None:
    (own,) = cluster.namespaces("own")
    role = aws.role("reader", web_identities=["system:serviceaccount:elsewhere:puller"])
    cluster.apply(
        service_account("puller", own, role.arn()),
        pull_secret("own", None, namespace=own, serviceAccountRef={"name": "puller"}),
    )
    unknown = error(ansible.reconcile(), "own")
    assert unknown["reason"] == "InvalidIdentityToken"
    aws.trust_issuer(cluster.plane.issuer, cluster.plane.issuer_key)
    refused = error(ansible.reconcile(), "own")
    assert refused["reason"] == "AccessDeniedException"
    for told in (unknown, refused):
        for words in (cluster.plane.issuer, "sts.amazonaws.com", f"system:serviceaccount:{own}:puller", role.arn()):
            assert words in told["msg"]


@pytest.mark.slow
def test_the_own_identity_is_the_administrators_and_a_tenants_where_it_is_allowed(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    tenant, other, shared = cluster.namespaces("tenant", "other", "shared")
    role = aws.role("team-reader", account="444455556666", trusts=[principal])
    cluster.apply(
        pull_secret("shared", None, namespaces=[shared]),
        pull_secret("plain", None, namespace=tenant),
        pull_secret("role", None, namespace=tenant, secret_name="role", roleArn=role.arn()),
        pull_secret("other", None, namespace=other),
    )
    run = ansible.reconcile(**ambient(principal))
    assert states(run, "shared") == {shared: "created"}
    for name, wanted in (("plain", "runner"), ("role", role.arn())):
        assert error(run, name)["reason"] == "IdentityNotAllowed"
        assert f"kubectl annotate namespace {tenant} {ALLOWED}={wanted}" in error(run, name)["msg"]
        assert states(run, name) == {tenant: "failed"}
    assert aws.count("AssumeRole") == 0

    cluster.kubectl("annotate", "namespace", tenant, f"{ALLOWED}=runner")
    by_annotation = ansible.reconcile(**ambient(principal))
    assert states(by_annotation, "plain") == {tenant: "created"}
    assert [error(by_annotation, name)["reason"] for name in ("role", "other")] == ["IdentityNotAllowed"] * 2

    setting = {"allowed_aws_identities": ["arn:aws:iam::444455556666:role/team-*"]}
    by_setting = ansible.reconcile(options=setting, **ambient(principal))
    assert states(by_setting, "role") == {tenant: "created"}
    assert cluster.config(tenant, "role")["auths"].keys() == {role.registry()}
    assert error(by_setting, "other")["reason"] == "IdentityNotAllowed"
    assert cluster.secret(other) is None


@pytest.mark.usefixtures("loose_crds")
def test_a_tenant_reads_nothing_of_another_namespace(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """What the CRDs do not let in may be stored all the same: fields that this API server prunes are put back."""
    tenant, victim = cluster.namespaces("tenant", "victim")
    cluster.apply(keys_secret("aws", victim, principal), service_account("puller", victim, aws.role("reader").arn()))
    for kind, name in (("credentialsSecretRef", "aws"), ("serviceAccountRef", "puller")):
        cluster.apply(pull_secret(kind.lower(), None, namespace=tenant, **{kind: {"name": name}}))
    run = ansible.reconcile()
    assert error(run, "credentialssecretref")["reason"] == "CredentialsSecretNotFound"
    assert f"Secret aws in namespace {tenant} does not exist" in error(run, "credentialssecretref")["msg"]
    assert error(run, "serviceaccountref")["reason"] == "ServiceAccountNotFound"
    assert aws.calls == []


PRIVATE = [
    "111122223333.dkr.ecr.eu-west-1.amazonaws.com",
    "444455556666.dkr.ecr.eu-west-1.amazonaws.com",
    "111122223333.dkr.ecr.us-east-1.amazonaws.com",
    "111122223333.dkr-ecr.us-east-1.on.aws",
    "111122223333.dkr.ecr-fips.us-east-1.amazonaws.com",
]
PUBLIC = "public.ecr.aws"


def test_one_secret_holds_logins_for_registries_of_many_regions_and_of_ecr_public(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Over the endpoint that stands for AWS there is one token a region, whatever the kind of its hosts."""
    all_of_them, own = cluster.namespaces("all", "own")
    aws.custom_host("ecr.example.com", "eu-west-1")
    registries = [*PRIVATE, PUBLIC, "ecr.example.com"]
    cluster.apply(
        pull_secret("all", principal, namespaces=[all_of_them], registries=registries),
        pull_secret("own", principal, namespace=own),
    )
    run = ansible.reconcile()
    assert run.status == 0, run.output
    assert_logins(cluster, aws, all_of_them, *registries)
    assert_logins(cluster, aws, own, principal.registry())
    calls = sorted((call.service, call.region) for call in aws.calls)
    assert calls == [("ecr", "eu-west-1"), ("ecr", "us-east-1"), ("ecr-public", "us-east-1")]


def test_hosts_of_other_partitions_are_those_that_aws_names(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    china, wrong = cluster.namespaces("china", "wrong")
    host = "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn"
    cluster.apply(
        pull_secret("china", principal, namespace=china, region="cn-north-1"),
        pull_secret("wrong", principal, namespace=wrong, region="cn-north-1", registries=[host.removesuffix(".cn")]),
    )
    run = ansible.reconcile()
    assert_logins(cluster, aws, china, host)
    assert error(run, "wrong")["reason"] == "InvalidRegistry"
    assert "end in amazonaws.com.cn" in error(run, "wrong")["msg"]


@pytest.mark.slow
def test_a_region_in_trouble_costs_only_those_that_need_it_and_them_nothing_that_they_had(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    both, new, own = cluster.namespaces("both", "new", "own")
    europe, america = PRIVATE[0], PRIVATE[2]
    cluster.apply(
        pull_secret("both", principal, namespaces=[both], registries=[europe, america, PUBLIC]),
        pull_secret("own", principal, namespace=own),
    )
    ansible.reconcile()
    before = cluster.config(both)["auths"]
    resource = pull_secret("both", principal, namespaces=[both, new], registries=[europe, america, PUBLIC])
    cluster.apply(resource)
    cluster.age_secret(both)
    aws.fail("InternalFailure", status=500, region="us-east-1")
    run = ansible.reconcile()
    assert states(run, "own") == {own: "unchanged"}
    assert error(run, "both")["reason"] == "ServerError"
    assert states(run, "both") == {both: "updated", new: "created"}, "with what the Secret still held of it"
    for namespace in (both, new):
        auths = cluster.config(namespace)["auths"]
        assert (auths[europe] == before[europe], auths[PUBLIC] == before[PUBLIC]) == (False, True)

    aws.expire_tokens()
    for namespace in (both, new):
        cluster.age_secret(namespace, dead=True)
    again = ansible.reconcile()
    assert states(again, "both") == {both: "failed", new: "failed"}
    assert_logins(cluster, aws, both, europe)
    aws.heal()
    assert states(ansible.reconcile(), "both") == {both: "updated", new: "updated"}
    assert_logins(cluster, aws, both, europe, america, PUBLIC)


def test_ecr_public_names_the_permission_that_lacks(ansible: Ansible, cluster: Cluster, aws: AWSEndpoint) -> None:
    (own,) = cluster.namespaces("own")
    principal = aws.principal(public=False)
    cluster.apply(pull_secret("own", principal, namespace=own, registries=[PUBLIC]))
    told = error(ansible.reconcile(), "own")
    assert told["reason"] == "AccessDeniedException"
    for words in ("AWS ECR Public", "sts:GetServiceBearerToken", principal.arn("us-east-1")):
        assert words in told["msg"]


@pytest.mark.slow
@pytest.mark.usefixtures("trust")
@pytest.mark.parametrize("failing", [False, True], ids=["success", "failure"])
def test_no_session_token_web_identity_or_external_id_leaves_memory(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal, failing: bool
) -> None:
    """Everything that a run prints or leaves behind at -vvvv is searched, and while it runs every process."""
    own, other = cluster.namespaces("own", "other")
    first = aws.role("first", web_identities=[f"system:serviceaccount:{own}:puller"])
    second = aws.role("second", trusts=[first, principal], external_id=EXTERNAL_ID)
    role = {"roleArn": second.arn(), "externalId": "canary-wrong-id" if failing else EXTERNAL_ID}
    cluster.apply(
        service_account("puller", own, first.arn()),
        keys_secret("aws", other, principal),
        pull_secret("own", None, namespace=own, serviceAccountRef={"name": "puller"}, **role),
        pull_secret("other", None, namespace=other, credentialsSecretRef={"name": "aws"}, **role),
    )
    aws.latency = 0.5
    temporary = ansible.home / "tmp"
    temporary.mkdir()
    listing = ansible.run("ansible-inventory", "-i", ansible.inventory(), "--list")
    with watch_processes(ansible.home) as seen:
        run = ansible.reconcile("-vvvv", "--diff", TMPDIR=str(temporary), ANSIBLE_LOG_PATH=str(ansible.home / "log"))
    assert run.status == (2 if failing else 0)
    left = [path.read_bytes() for path in ansible.home.rglob("*") if path.is_file()]
    resources = json.loads(cluster.kubectl("get", "secrets", "-A", "-o", "json"))["items"]
    annotations = json.dumps([each["metadata"]["annotations"] for each in resources if each["type"].endswith("json")])
    secrets = [
        role["externalId"],
        principal.secret_key,
        principal.access_key,
        *aws.session_secrets,
        *aws.web_identity_tokens,
    ]
    assert len(aws.session_secrets) >= 3
    assert len(aws.web_identity_tokens) == 1
    for secret in secrets:
        assert secret not in run.output
        assert secret not in listing.output
        assert secret not in annotations
        assert not any(secret.encode() in content for content in (*left, *seen))
    assert any(b"Write the pull secrets" in content for content in left), "the log was read"
