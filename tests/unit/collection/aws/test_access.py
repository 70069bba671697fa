"""What spec.awsAccess may say, as laxer CRDs may have stored it, and which identity that is for whom."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.access import (
    Access,
    Keys,
    KubernetesObject,
    SecretKeys,
    parse,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.identity import (
    ALLOWED_ANNOTATION,
    CredentialsError,
    Identity,
    WebIdentity,
    resolve,
    session_name,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.errors import ResourceError

KEY_ID, SECRET, TOKEN = "AKIAIOSFODNN7EXAMPLE", "canary/secret+key", "canary-token"
EXTERNAL_ID = "canary-external-id"
INLINE = {"accessKeyId": KEY_ID, "secretAccessKey": SECRET}
ROLE, OTHER_ROLE = "arn:aws:iam::111122223333:role/reader", "arn:aws-cn:iam::444455556666:role/path/other"


def resource(namespace: str = "", **access: object) -> dict:
    return {
        "kind": "AWSECRImagePullSecret" if namespace else "ClusterAWSECRImagePullSecret",
        "metadata": {"name": "ecr"} | ({"namespace": namespace} if namespace else {}),
        "spec": {"awsAccess": {"region": "eu-west-1"} | access},
    }


def encode(text: str) -> str:
    return b64encode(text.encode()).decode()


def secret(**data: str) -> dict:
    return {"data": {name: encode(value) for name, value in data.items()}}


SECRET_OBJECT = KubernetesObject("Secret", "team-a", "aws")
ACCOUNT = KubernetesObject("ServiceAccount", "team-a", "puller")
NAMESPACE = KubernetesObject("Namespace", "", "team-a")
DEFAULT_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", False)


@pytest.mark.parametrize(
    ("given", "source"),
    [
        (resource(**INLINE), Keys(KEY_ID, SECRET)),
        (resource(accessKeyId=encode(KEY_ID), secretAccessKey=encode(SECRET)), Keys(KEY_ID, SECRET)),
        (resource("team-a", credentialsSecretRef={"name": "aws"}), SecretKeys(SECRET_OBJECT, *DEFAULT_KEYS)),
        (
            resource(credentialsSecretRef={"name": "aws", "namespace": "team-a", "sessionTokenKey": "token"}),
            SecretKeys(SECRET_OBJECT, *DEFAULT_KEYS[:2], "token", True),
        ),
        (resource("team-a", serviceAccountRef={"name": "puller"}), ACCOUNT),
        (resource("team-a", serviceAccountRef={"name": "puller", "namespace": "team-a"}), ACCOUNT),
        (resource(serviceAccountRef={"name": "puller", "namespace": "team-a"}), ACCOUNT),
        (resource(), None),
        (resource("team-a", roleArn=ROLE, externalId=EXTERNAL_ID), None),
    ],
)
def test_each_way_in(given: dict, source: Any) -> None:
    access = parse(given)
    assert access.source == source
    assert "canary" not in repr(access)


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"spec": {"awsAccess": None}, "metadata": {}}, "spec.awsAccess", "missing"),
        (resource(accessKeyId="AKIAEXAMPLE\n", secretAccessKey=SECRET), "spec.awsAccess.accessKeyId", "newline"),
        (resource(accessKeyId="", secretAccessKey=""), "spec.awsAccess.accessKeyId", "pair"),
        (resource(accessKeyId=KEY_ID), "spec.awsAccess.secretAccessKey", "pair"),
        (resource(accessKeyId=KEY_ID, secretAccessKey=f"{SECRET}\n"), "spec.awsAccess.secretAccessKey", "newline"),
        (resource(accessKeyId=encode(f"{KEY_ID}\n"), secretAccessKey=SECRET), "spec.awsAccess.accessKeyId", "base64"),
        (resource("team-a", serviceAccountRef={"name": "x"}, **INLINE), "spec.awsAccess", "2 ways in"),
        (resource("team-a", serviceAccountRef={"name": "x"}, credentialsSecretRef={"name": "x"}), "spec.awsAccess", ""),
        (
            resource("team-a", credentialsSecretRef={"name": "x", "namespace": "kube-system"}),
            "spec.awsAccess.credentialsSecretRef.namespace",
            "its own namespace only",
        ),
        (
            resource("team-a", serviceAccountRef={"name": "x", "namespace": "kube-system"}),
            "spec.awsAccess.serviceAccountRef.namespace",
            "its own namespace only",
        ),
        (resource(serviceAccountRef={"name": "x"}), "spec.awsAccess.serviceAccountRef.namespace", "is missing"),
        (resource(serviceAccountRef={"name": "x", "namespace": "a/b"}), "spec.awsAccess.serviceAccountRef.nam", ""),
        (resource("team-a", serviceAccountRef={"name": "../x"}), "spec.awsAccess.serviceAccountRef.name", ""),
        (resource("team-a", credentialsSecretRef="x"), "spec.awsAccess.credentialsSecretRef", "name"),
        (
            resource("team-a", credentialsSecretRef={"name": "x", "accessKeyIdKey": "{{ 7 }}"}),
            "spec.awsAccess.credentialsSecretRef.accessKeyIdKey",
            "{{ 7 }}",
        ),
        (
            resource("team-a", credentialsSecretRef={"name": "x", "secretAccessKeyKey": SECRET}),
            "spec.awsAccess.credentialsSecretRef.secretAccessKeyKey",
            "the value (not shown) cannot be",
        ),
        (resource(roleArn="reader"), "spec.awsAccess.roleArn", "arn:aws"),
        (resource(roleArn=f"{ROLE}\n"), "spec.awsAccess.roleArn", "arn:aws"),
        (resource(externalId="x"), "spec.awsAccess.externalId", "2 to 1224"),
        (resource(externalId=f"{EXTERNAL_ID}\n", roleArn=ROLE), "spec.awsAccess.externalId", "2 to 1224"),
        (resource(externalId=EXTERNAL_ID), "spec.awsAccess.externalId", "needs roleArn"),
    ],
)
def test_what_cannot_be_meant_names_the_field_and_no_secret(given: dict, field: str, words: str) -> None:
    with pytest.raises(ResourceError) as caught:
        parse(given)
    assert str(caught.value).startswith(field)
    assert words in str(caught.value)
    for canary in (SECRET, KEY_ID, EXTERNAL_ID):
        assert canary not in str(caught.value)


def identity(given: dict, *objects: tuple[KubernetesObject, dict | None], allowed: tuple[str, ...] = ()) -> Identity:
    access: Access = parse(given)
    assert set(access.needs()) == {each for each, _ in objects}
    return resolve(access, "eu-west-1", dict(objects), allowed)


FROM_SECRET = resource("team-a", credentialsSecretRef={"name": "aws"})
FROM_ACCOUNT = resource("team-a", serviceAccountRef={"name": "puller"})
STORED = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}


def account(role: str | None = ROLE) -> dict:
    return {"metadata": {"annotations": {"eks.amazonaws.com/role-arn": role}} if role else {}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (identity(resource(**INLINE)), Identity(Keys(KEY_ID, SECRET), None, None, None, None)),
        (
            identity(resource(**INLINE, roleArn=ROLE, externalId=EXTERNAL_ID)),
            Identity(Keys(KEY_ID, SECRET), ROLE, EXTERNAL_ID, "eu-west-1", None),
        ),
        (
            identity(FROM_SECRET, (SECRET_OBJECT, secret(**STORED))),
            Identity(Keys(KEY_ID, SECRET), None, None, None, None),
        ),
        (
            identity(FROM_SECRET, (SECRET_OBJECT, secret(**STORED, AWS_SESSION_TOKEN=TOKEN))),
            Identity(Keys(KEY_ID, SECRET, TOKEN), None, None, None, None),
        ),
        (
            identity(FROM_ACCOUNT, (ACCOUNT, account())),
            Identity(WebIdentity(ACCOUNT, ROLE), None, None, "eu-west-1", None),
        ),
        (
            identity(resource("team-a", serviceAccountRef={"name": "puller"}, roleArn=ROLE), (ACCOUNT, account(None))),
            Identity(WebIdentity(ACCOUNT, ROLE), None, None, "eu-west-1", None),
        ),
        (
            identity(resource("team-a", serviceAccountRef={"name": "puller"}, roleArn=ROLE), (ACCOUNT, account())),
            Identity(WebIdentity(ACCOUNT, ROLE), None, None, "eu-west-1", None),
        ),
        (
            identity(
                resource("team-a", serviceAccountRef={"name": "puller"}, roleArn=OTHER_ROLE), (ACCOUNT, account())
            ),
            Identity(WebIdentity(ACCOUNT, ROLE), OTHER_ROLE, None, "eu-west-1", None),
        ),
        (identity(resource()), Identity(None, None, None, None, None)),
        (identity(resource(roleArn=ROLE)), Identity(None, ROLE, None, "eu-west-1", None)),
    ],
)
def test_the_identity_behind_each_way(found: Identity, expected: Identity) -> None:
    assert found == expected
    assert "canary" not in repr(found)


@pytest.mark.parametrize(
    ("given", "stored", "reason", "words"),
    [
        (FROM_SECRET, None, "CredentialsSecretNotFound", "Secret aws in namespace team-a does not exist"),
        (FROM_SECRET, {}, "InvalidCredentialsSecret", "key AWS_ACCESS_KEY_ID is missing"),
        (FROM_SECRET, secret(AWS_ACCESS_KEY_ID=KEY_ID), "InvalidCredentialsSecret", "AWS_SECRET_ACCESS_KEY is missing"),
        (FROM_SECRET, secret(**STORED | {"AWS_ACCESS_KEY_ID": ""}), "InvalidCredentialsSecret", "is empty"),
        (
            FROM_SECRET,
            secret(**STORED | {"AWS_SECRET_ACCESS_KEY": f"{SECRET}\n"}),
            "InvalidCredentialsSecret",
            "key AWS_SECRET_ACCESS_KEY holds white space or a character outside ASCII (a trailing newline",
        ),
        (FROM_SECRET, secret(**STORED | {"AWS_SECRET_ACCESS_KEY": "ü"}), "InvalidCredentialsSecret", "outside ASCII"),
        (
            FROM_SECRET,
            secret(**STORED | {"AWS_ACCESS_KEY_ID": encode(KEY_ID)}),
            "InvalidCredentialsSecret",
            "key AWS_SECRET_ACCESS_KEY is not base64 of a secret key",
        ),
        (
            resource("team-a", credentialsSecretRef={"name": "aws", "sessionTokenKey": "token"}),
            secret(**STORED),
            "InvalidCredentialsSecret",
            "key token is missing",
        ),
        (FROM_ACCOUNT, None, "ServiceAccountNotFound", "ServiceAccount puller in namespace team-a does not exist"),
        (FROM_ACCOUNT, account(None), "InvalidServiceAccount", "no annotation eks.amazonaws.com/role-arn"),
        (FROM_ACCOUNT, account("reader"), "InvalidServiceAccount", "not the ARN of a role"),
        (
            resource("team-a", serviceAccountRef={"name": "puller"}, roleArn=ROLE, externalId=EXTERNAL_ID),
            account(None),
            "InvalidServiceAccount",
            "externalId",
        ),
    ],
)
def test_objects_that_give_no_credentials_are_named(given: dict, stored: dict | None, reason: str, words: str) -> None:
    (needed,) = parse(given).needs()
    with pytest.raises(CredentialsError) as caught:
        resolve(parse(given), "eu-west-1", {needed: stored})
    assert caught.value.reason == reason
    assert words in str(caught.value)
    for canary in (SECRET, KEY_ID, EXTERNAL_ID):
        assert canary not in str(caught.value)


@pytest.mark.parametrize(
    ("role", "allowed", "annotation", "is_allowed"),
    [
        (None, (), None, False),
        (None, ("runner",), None, True),
        (None, (), "runner", True),
        (None, (ROLE,), ROLE, False),
        (None, ("*",), None, True),
        (None, (), f"{ROLE} , runner", True),
        (ROLE, ("runner",), "runner", False),
        (ROLE, (ROLE,), None, True),
        (ROLE, (), f"runner {ROLE}", True),
        (ROLE, (f"{ROLE}s",), None, False),
        (ROLE, ("arn:aws:iam::111122223333:role/*",), None, True),
        (ROLE, ("arn:aws:iam::*:role/team-*",), None, False),
        (ROLE, ("arn:aws:iam::111122223333:role/reade.",), None, False),
        (ROLE, ("",), "", False),
        (ROLE, (), ",", False),
    ],
)
def test_a_tenant_gets_of_the_runners_identity_what_is_allowed(
    role: str | None, allowed: tuple[str, ...], annotation: str | None, is_allowed: bool
) -> None:
    given = resource("team-a", **({"roleArn": role} if role else {}))
    namespace = {"metadata": {"annotations": {ALLOWED_ANNOTATION: annotation}} if annotation is not None else {}}
    if is_allowed:
        assert identity(given, (NAMESPACE, namespace), allowed=allowed).role_arn == role
        return
    with pytest.raises(CredentialsError) as caught:
        identity(given, (NAMESPACE, namespace), allowed=allowed)
    assert caught.value.reason == "IdentityNotAllowed"
    remedy = f"kubectl annotate namespace team-a aws.zakariaamine.com/allowed-aws-identities={role or 'runner'}"
    assert remedy in str(caught.value)
    assert "--allowed-aws-identities" in str(caught.value)


def test_identities_share_a_digest_only_if_they_are_equal() -> None:
    keys = Keys(KEY_ID, SECRET)
    near = [
        Identity(keys, None, None, None, None),
        Identity(Keys(KEY_ID, f"{SECRET}x"), None, None, None, None),
        Identity(Keys(f"{KEY_ID}c", SECRET[1:]), None, None, None, None),
        Identity(Keys(f'{KEY_ID}", "{SECRET}', ""), None, None, None, None),
        Identity(Keys(KEY_ID, SECRET, ""), None, None, None, None),
        Identity(Keys(KEY_ID, SECRET, "null"), None, None, None, None),
        Identity(keys, ROLE, None, "eu-west-1", None),
        Identity(keys, ROLE, None, "eu-west-2", None),
        Identity(keys, ROLE, "x1", "eu-west-1", None),
        Identity(keys, None, None, None, ROLE),
        Identity(None, ROLE, None, "eu-west-1", None),
        Identity(None, None, None, None, None),
        Identity(WebIdentity(ACCOUNT, ROLE), None, None, "eu-west-1", None),
        Identity(
            WebIdentity(KubernetesObject("ServiceAccount", "team-ap", "uller"), ROLE), None, None, "eu-west-1", None
        ),
        Identity(WebIdentity(ACCOUNT, ROLE), OTHER_ROLE, None, "eu-west-1", None),
    ]
    assert len({each.digest(b"salt") for each in near}) == len(near)
    assert near[0].digest(b"salt") == Identity(Keys(KEY_ID, SECRET), None, None, None, None).digest(b"salt")
    assert near[0].digest(b"salt") != near[0].digest(b"other salt")


@pytest.mark.parametrize(
    ("namespace", "name", "expected"),
    [
        ("team-a", "ecr", "kube-ecr@team-a@ecr"),
        ("", "shared", "kube-ecr@shared"),
        ("n" * 63, "x", f"kube-ecr@{'n' * 46}+"),
        ("n" * 63, "y", f"kube-ecr@{'n' * 46}+"),
    ],
)
def test_a_session_says_which_resource_asked(namespace: str, name: str, expected: str) -> None:
    given = resource(namespace)
    given["metadata"]["name"] = name
    found = session_name(given)
    assert found.startswith(expected)
    assert len(found) == (64 if expected.endswith("+") else len(expected))


def test_long_names_of_sessions_stay_apart() -> None:
    names = set()
    for name in ("x", "y"):
        given = resource("n" * 63)
        given["metadata"]["name"] = name
        names.add(session_name(given))
    assert len(names) == 2
