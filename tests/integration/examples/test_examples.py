"""Every example of the documentation is run as it stands, twice: it succeeds, and the second run changes nothing.

Examples are found by tests/support/documentation/examples.py; what they need beside the common stage is in SETTINGS.
Those that act as other users of a machine are run by tests/node/test_examples.py, those that install the runner by
tests/e2e/test_install_examples.py. A new example that is none of these is run here, and fails by its name until the
stage fits.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.control_plane import ControlPlane
from tests.support.cluster.objects import Cluster, pull_secret, service_account
from tests.support.documentation.examples import COMMAND, TASK, Example, all_examples
from tests.support.documentation.stage import Setting, Stage, staged
from tests.support.harness.ansible import Ansible

_ALL = all_examples()
_OF_USERS = {example.source for example in _ALL if example.becomes}
HERE = [example for example in _ALL if example.source not in _OF_USERS and not example.installs]
_TASKS = [example for example in HERE if example.kind == TASK]
_COMMANDS = [example for example in HERE if example.kind == COMMAND]
_OTHERS = [example for example in HERE if example.kind not in (TASK, COMMAND)]


def keys(stage: Stage) -> dict[str, Any]:
    """Return the values of variables that the examples take from a vault."""
    return {
        "vault_aws_access_key": stage.principal.access_key,
        "vault_aws_secret_key": stage.principal.secret_key,
        "vault_external_id": "example",
    }


def resources(stage: Stage, *more: dict[str, Any]) -> None:
    """Make the custom resources that the examples of inventories name."""
    assert stage.cluster
    labels = {"labels": {"tier": "production"}}
    both = (
        pull_secret("ecr", stage.principal, namespace="team-a"),
        pull_secret("shared", None, namespaces=["team-b"]),
    )
    for resource in both:
        resource["metadata"] |= labels
    stage.cluster.apply(*both, *more)


def with_role(name: str) -> Setting:
    """Return the setting of an inventory that lets namespaced resources assume a role: one that does."""
    role = f"arn:aws:iam::111122223333:role/{name}"
    tenant = pull_secret("tenant", None, namespace="team-b", secret_name="tenant", roleArn=role)
    return Setting(lambda stage: resources(stage, tenant))


def shared_secret(stage: Stage) -> None:
    """Make a Secret of somebody else, and a service account beside `default`."""
    assert stage.cluster
    login = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "registries", "namespace": "team-a"}}
    theirs = {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": '{"auths": {"a.b": {}}}'}}
    stage.cluster.apply(login | theirs, service_account("build-1", "team-a"))


def other_cluster(stage: Stage) -> None:
    """Make the kubeconfig of another cluster, which is the same one here."""
    stage.write(".kube/other", (stage.home / ".kube" / "config").read_text())


_LOGIN = {
    "kube_ecr.secrets.ecr_token": {"region": "eu-west-1"},
    "name": "Get a token",
    "register": "ecr",
    "no_log": True,
}
_WRITTEN = {
    "name": "Write a pull secret",
    "kube_ecr.secrets.ecr_pull_secret": {
        "authorizations": "{{ ecr.authorizations }}",
        "secret_name": "ecr-login",
        "namespaces": ["team-a-web", "team-b"],
    },
}
SETTINGS: dict[str, Setting] = {
    "module ecr_token: Get a token with static keys": Setting(variables=keys),
    "module ecr_token: Assume a role of another account": Setting(variables=keys),
    "module ecr_token: Get a token through a proxy that opens TLS connections": Setting(
        defaults=lambda stage: {"endpoint_url": stage.front.url}
    ),
    "module ecr_pull_secret: Keep the logins fresh inside a Secret that others use too, and add it to service "
    "accounts": Setting(shared_secret),
    "module ecr_pull_secret: The same in another cluster": Setting(other_cluster),
    "module ecr_pull_secret_info: List all pull secrets of the collection": Setting(before=(_LOGIN, _WRITTEN)),
    "module ecr_reconcile: Reconcile the ECR pull secrets": Setting(resources),
    "inventory pull_secrets: ecr.yml: every resource of the cluster; run it with": Setting(resources),
    "inventory pull_secrets: Namespaced resources may assume some roles from the identity of this machine": with_role(
        "ecr-pull-team-b"
    ),
    "inventory pull_secrets: Only some of them, in another cluster": Setting(resources),
    "docs/aws-identities.md: Tenants": with_role("tenants/team-b"),
    # The variables are the survey of the next block.
    "docs/awx.md: Keep the ECR credential fresh": Setting(
        variables=lambda stage: {"awx_registry_credential_registry": stage.principal.registry()}
    ),
    "README.md: With custom resources": Setting(resources),
    "README.md: In a playbook (2)": Setting(environment=lambda stage: {"AWS_ENDPOINT_URL": stage.front.url}),
    "roles/pull_secret/README.md: Keep the pull secret fresh, and what else uses the token": Setting(
        environment=lambda stage: {"AWS_ENDPOINT_URL": stage.front.url}
    ),
    "docs/watches.md: Keep the pull secrets fresh": Setting(
        resources, variables=lambda stage: {"webhook": f"http://127.0.0.1:{stage.hook.port}"}
    ),
}


def setting_of(example: Example) -> Setting:
    """Return what an example needs beside the common stage."""
    return SETTINGS.get(str(example), Setting())


@pytest.fixture(scope="module")
def common_stage(control_plane: ControlPlane, _endpoint: AWSEndpoint) -> Iterator[Stage]:
    """The stage, which the tests of this file share."""
    cluster = Cluster(control_plane)
    # pytest's tmp_path is too long for the Unix sockets that Ansible makes below its temporary directory.
    with tempfile.TemporaryDirectory() as home:
        env = {"KUBE_ECR_AWS_ENDPOINT_URL": _endpoint.url}
        try:
            with staged(Ansible(Path(home), env), _endpoint, cluster) as stage:
                yield stage
        finally:
            cluster.clear()


@pytest.fixture
def stage(common_stage: Stage) -> Iterator[Stage]:
    yield common_stage
    common_stage.reset()


def test_the_settings_are_those_of_examples() -> None:
    assert SETTINGS.keys() <= set(map(str, HERE))


@pytest.mark.slow
@pytest.mark.parametrize("source", sorted({example.source for example in _TASKS}))
def test_the_tasks_of_a_module_or_page_work(source: str, stage: Stage) -> None:
    settings = {example: setting_of(example) for example in _TASKS if example.source == source}
    outcomes = stage.run_tasks(settings.items())
    problems = {str(example): outcomes[example.name].problems(setting) for example, setting in settings.items()}
    assert problems == {str(example): [] for example in settings}


@pytest.mark.slow
@pytest.mark.parametrize("example", _OTHERS, ids=str)
def test_a_play_an_inventory_and_variables_of_a_role_work(example: Example, stage: Stage) -> None:
    setting = setting_of(example)
    assert stage.run_twice(example, setting).problems(setting) == []


@pytest.mark.slow
@pytest.mark.parametrize("example", _COMMANDS, ids=str)
def test_a_command_works(example: Example, stage: Stage) -> None:
    """The file ecr.yml is that of README.md."""
    stage.write("ecr.yml", "plugin: kube_ecr.secrets.pull_secrets\n")
    resources(stage)
    run = stage.run(setting_of(example), *shlex.split(example.text))
    assert run.status == 0, run.output
    # Where it is shown, the page says so.
    warnings = [line for line in run.stderr.splitlines() if "WARNING" in line and "holds a password" not in line]
    assert warnings == []
