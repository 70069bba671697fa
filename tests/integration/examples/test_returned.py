"""RETURN of each module: what it names is returned in some case, on the fast path and as shipped.

That nothing else is returned, and each value as it is documented, is checked in every run of every test (see
tests/support/harness/ansible.py): what is here only has to make each key appear once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import GROUP, Cluster, pull_secret
from tests.support.cluster.placement import apply_account, foreign
from tests.support.documentation import plugins
from tests.support.documentation.returned import promises, seen
from tests.support.harness.ansible import TARGET_PYTHON, Ansible

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
# `environment` makes Ansible ship the module, as it does to any other host.
WAYS: dict[str, dict[str, Any]] = {
    "fast": {},
    "shipped": {"environment": {"SHIPPED": "1"}, "vars": {"ansible_python_interpreter": TARGET_PYTHON}},
}
# What this machine has not.
NOT_HERE = {"secontext"}  # SELinux
ERROR = {"reason": "ThrottlingException", "msg": "AWS throttled the call"}


def login() -> dict[str, str]:
    expires_at = (datetime.now(UTC) + timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"registry": HOST, "username": "AWS", "password": "canary", "expires_at": expires_at}


def tokens(aws: AWSEndpoint, principal: Principal) -> list[dict[str, Any]]:
    """Return the options of ecr_token with which it returns all that it can: a token, and errors of both kinds."""
    keys = {"access_key": principal.access_key, "secret_key": principal.secret_key}
    common = {**keys, "endpoint_url": aws.url, "region": "eu-west-1"}
    aws.fail("AccessDeniedException", region="eu-central-1")
    return [{**common, "registries": ["eu-west-1", "eu-central-1"]}, {**common, "region": "nowhere"}]


def pull_secrets(cluster: Cluster) -> list[dict[str, Any]]:
    """Return options for ecr_pull_secret and then ecr_pull_secret_info, with a cluster that has something to tell."""
    served, foreigns, shared, denied = cluster.namespaces("served", "foreign", "shared", "denied")
    (missing,) = cluster.names("missing")
    foreign(cluster, foreigns, "{}")
    foreign(cluster, shared, {"auths": {f"{HOST}/team": {"auth": "bWU6cHc="}}})
    apply_account(cluster, served, "web", "helm", "regcred")
    cluster.kubectl("create", "role", "viewer", "-n", denied, "--verb=get", "--resource=secrets")
    cluster.kubectl("create", "rolebinding", "viewer", "-n", denied, "--role=viewer", "--user=viewer")
    viewer = {"kubeconfig": str(cluster.plane.kubeconfig_for("viewer"))}
    common = {"secret_name": "ecr-login", "authorizations": [login()]}
    output = {"name": "plain", "type": "BasicAuth", "namespaces": [served, missing]}
    return [
        {**common, "namespaces": [served, missing, foreigns], "outputs": [output], "service_accounts": ["web"]},
        {**common, "namespaces": [shared], "existing_secret_policy": "Merge"},
        {**common, "namespaces": [denied]},
        {**common, "namespaces": [missing], "authorizations": [], "authorization_errors": [ERROR]},
        {"secret_name": "ecr-login", "namespaces": [denied], "state": "absent", **viewer},
    ]


def task(module: str, options: dict[str, Any], way: str) -> dict[str, Any]:
    return {"name": module, f"kube_ecr.secrets.{module}": options, "ignore_errors": True, **WAYS[way]}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_each_key_that_is_documented_is_returned(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal, way: str
) -> None:
    written = pull_secrets(cluster)
    (owned,) = cluster.namespaces("owned")
    helper = ansible.home / ".docker" / "config.json"
    helper.parent.mkdir()
    helper.write_text(f'{{"credHelpers": {{"{HOST}": "none"}}}}')
    # What there is to warn of; and one resource cannot be served at all.
    aws.token_life = timedelta(minutes=30)
    app = pull_secret("app", principal, namespace=owned)
    app["metadata"]["annotations"] = {f"{GROUP}/reconcile-at": "now"}
    merged = pull_secret("merged", principal, namespace=written[1]["namespaces"][0])
    merged["spec"]["existingSecretPolicy"] = "Merge"
    lost = pull_secret("lost", None, namespace=owned, secret_name="lost", credentialsSecretRef={"name": "gone"})
    cluster.apply(app, merged, lost, pull_secret("all", principal, namespaces=[owned], secret_name="all"))
    served = ansible.reconcile()
    tasks = [
        *(task("ecr_token", options, way) for options in tokens(aws, principal)),
        *(task("ecr_pull_secret", options, way) for options in written),
        task("ecr_pull_secret_info", {"secret_name": "ecr-login"}, way),
        task("ecr_pull_secret_info", {}, way),
        task("ecr_pull_secret_info", {"secret_name": "nothing"}, way),
        task("ecr_pull_secret_info", {"kubeconfig": "/nonexistent"}, way),
        task("ecr_registry_login", {"client": "docker", "authorizations": [login()]}, way),
        task("ecr_registry_login", {"client": "helm", "authorizations": [login()]}, way),
        task("ecr_registry_login", {"client": "helm", "state": "absent"}, way),
    ]
    run = ansible.play(*tasks)
    results = {
        name: [each["result"] for each in run.results if each["task"] == name] for name in plugins.names("modules")
    }
    results["ecr_reconcile"] = served.results_of("Write the pull secrets")
    missing = {name: promises(name) - seen(found) - NOT_HERE for name, found in results.items()}
    assert missing == {name: set() for name in plugins.names("modules")}
