"""The chart, installed by helm: its service account may do what the runner does, in each mode, and no more."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from kubernetes.client import AuthorizationV1Api
from kubernetes.config import new_client_from_config

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.control_plane import ControlPlane, kubectl_path
from tests.support.cluster.objects import CLUSTER, NAMESPACED, Cluster, keys_secret, pull_secret, service_account
from tests.support.cluster.old_crds import old_crd
from tests.support.cluster.placement import entries
from tests.support.harness.ansible import Ansible
from tests.support.harness.helm import CHART, NAMESPACE, HelmError, Release, Values, run_helm
from tests.support.harness.runner import Runner
from tests.support.harness.tools import HELM, go_tool

ROOT = Path(__file__).parents[2]
CRDS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")}
PAGE = (ROOT / "docs" / "migration.md").read_text()
OLD = "kube-ecr-secrets-operator"
ALLOWED = "aws.zakariaamine.com/allowed-aws-identities"
NAMED = {
    "secretNames": ["ecr-login", "renamed", "basic"],
    "keysSecretNames": ["aws-keys", "quay"],
    "serviceAccountTokens": {"names": ["ecr-pull"]},
}
MODES = {
    "default": (False, False),
    "secretNames": (True, False),
    "watchNamespaces": (False, True),
    "both": (True, True),
}
Start = Callable[[Release], Runner]


@pytest.fixture
def release(cluster: Cluster) -> Iterator[Release]:
    """A release that is not installed yet, and uninstalled afterwards; the definitions are the control plane's."""
    (namespace,) = cluster.namespaces("kube-ecr")
    release = Release(cluster.plane, namespace)
    yield release
    release.uninstall()


@pytest.fixture
def start_pod(ansible: Ansible, tmp_path: Path) -> Iterator[Start]:
    """Starts the process that a pod of a release would be."""
    with tempfile.TemporaryDirectory() as temporary:
        started: list[Runner] = []

        def start(release: Release) -> Runner:
            runner = release.runner(ansible, tmp_path / f"runner-{len(started)}.log", Path(temporary))
            started.append(runner)
            runner.start()
            return runner

        yield start
        for runner in started:
            runner.stop()
            assert "Traceback" not in runner.log
        assert not list(Path(temporary).iterdir()), "its private directories are gone"


def allowed(kubeconfig: Path, *rights: tuple[str, str, str, str]) -> dict[tuple[str, str, str, str], bool]:
    """Return what RBAC lets the owner of a kubeconfig do, by verb, resource, namespace and name, as kubectl can-i."""
    api = AuthorizationV1Api(new_client_from_config(config_file=str(kubeconfig)))

    def may(verb: str, resource: str, namespace: str, name: str) -> bool:
        resource, _, subresource = resource.partition("/")
        group = "coordination.k8s.io" if resource == "leases" else ""
        what = {"verb": verb, "resource": resource, "subresource": subresource, "name": name, "namespace": namespace}
        review = {"spec": {"resourceAttributes": {**what, "group": group}}}
        return api.create_self_subject_access_review(review).status.allowed

    return {each: may(*each) for each in rights}


@pytest.mark.parametrize(
    "mode", ["default", *(pytest.param(mode, marks=pytest.mark.slow) for mode in MODES if mode != "default")]
)
def test_the_service_account_of_the_chart_may_do_what_the_runner_does(
    mode: str,
    release: Release,
    cluster: Cluster,
    aws: AWSEndpoint,
    principal: Principal,
    start_pod: Start,
    tmp_path: Path,
) -> None:
    """Every way into AWS, service accounts, changes and removals, with a right for all of it and no refusal."""
    is_named, is_narrow = MODES[mode]
    inline, keys, account, own = cluster.namespaces("inline", "keys", "account", "own")
    shared, elsewhere = cluster.namespaces("shared", "elsewhere")
    served = [inline, keys, account, own]
    ambient = aws.principal(account="444455556666")
    identity = {"AWS_ACCESS_KEY_ID": ambient.access_key, "AWS_SECRET_ACCESS_KEY": ambient.secret_key}
    values: Values = {
        "crds": {"enabled": False},
        "runner": {"awsEndpointUrl": aws.url, "logLevel": "debug", "standBy": False},
        "extraEnv": [{"name": name, "value": value} for name, value in identity.items()],
        "rbac": NAMED if is_named else {},
        "watchNamespaces": served if is_narrow else [],
    }
    release.upgrade(values)

    aws.trust_issuer(cluster.plane.issuer, cluster.plane.issuer_key)
    role = aws.role("ecr-pull", web_identities=[f"system:serviceaccount:{account}:ecr-pull"])
    cluster.kubectl("annotate", "namespace", own, f"{ALLOWED}=runner")
    first = pull_secret("app", principal, namespace=inline)
    first["spec"]["serviceAccounts"] = ["builder"]
    first["spec"]["outputs"] = [{"name": "basic", "type": "BasicAuth"}]
    first["spec"]["extraAuths"] = [{"registry": "quay.io", "secretRef": {"name": "quay"}}]
    quay = {"username": "me", "password": "x"}
    cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "builder", "namespace": inline}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "quay", "namespace": inline}, "stringData": quay},
        first,
        keys_secret("aws-keys", keys, principal),
        pull_secret("keys", None, namespace=keys, credentialsSecretRef={"name": "aws-keys"}),
        service_account("ecr-pull", account, role.arn()),
        pull_secret("account", None, namespace=account, serviceAccountRef={"name": "ecr-pull"}),
        pull_secret("own", None, namespace=own),
        pull_secret("shared", principal, namespaces=[f"{shared}*"]),
    )
    runner = start_pod(release)
    for name, namespace in (("app", inline), ("keys", keys), ("account", account), ("own", own)):
        cluster.wait_ready(NAMESPACED, name, namespace)
    if is_narrow:
        assert "status" not in cluster.resource(CLUSTER, "shared")
    else:
        cluster.wait_ready(CLUSTER, "shared")
    assert entries(cluster, inline) == ["ecr-login"]
    assert cluster.config(inline)["auths"].keys() == {principal.registry(), "quay.io"}
    assert list(cluster.config(own)["auths"]) == [ambient.registry()]
    cluster.wait(lambda: "SecretCreationSuccess" in dict(cluster.events("app")), "the event is there")
    lease = json.loads(cluster.kubectl("get", "lease", release.name, "-n", release.namespace, "-o", "json"))
    assert lease["spec"]["holderIdentity"]
    assert [each["kind"] for each in lease["metadata"]["ownerReferences"]] == ["Pod"]

    other = aws.principal(account="555566667777")
    first["spec"]["secretName"] = "renamed"
    cluster.core.delete_namespaced_secret("ecr-login", account)
    cluster.apply(keys_secret("aws-keys", keys, other), first, pull_secret("shared", principal, namespaces=[elsewhere]))
    cluster.wait(lambda: list(cluster.config(keys)["auths"]) == [other.registry()], "new keys are used at once")
    cluster.wait(lambda: cluster.secret(account), "what somebody deleted is put back at once")
    cluster.core.delete_namespaced_secret("basic", inline)
    cluster.wait(lambda: cluster.secret(inline, "basic"), "so is an output")
    cluster.wait(lambda: cluster.secret(inline, "renamed"), "it has the new name")
    if not is_named:  # Otherwise nobody can look for names that no resource has any more.
        cluster.wait(lambda: cluster.secret(inline) is None, "the old one is removed")
    if not is_narrow:
        cluster.wait(lambda: cluster.secret(elsewhere) and not cluster.secret(shared), "it is where it is wanted alone")
    cluster.delete(NAMESPACED, "app", inline)
    cluster.wait(lambda: entries(cluster, inline) == [], "the service account has nothing of it any more")
    assert runner.stop() == 0

    refused = [line for line in runner.log.splitlines() if "orbidden" in line or " WARNING " in line]
    if is_narrow:  # Namespaces are in no namespace, and the log says what that costs.
        (told,) = refused
        assert " watch failed, retrying watch=namespaces " in told
    else:
        assert refused == []
    kubeconfig = release.kubeconfig(tmp_path / "rights")
    everywhere = ""
    rights = {
        ("list", "secrets", everywhere, ""): not is_named and not is_narrow,
        ("list", "secrets", inline, ""): not is_named,
        ("list", "secrets", inline, "ecr-login"): True,
        ("get", "secrets", inline, "other"): not is_named,
        ("create", "secrets", inline, ""): not is_named,
        ("create", "secrets", inline, "ecr-login"): True,
        ("delete", "secrets", keys, "aws-keys"): not is_named,
        ("get", "secrets", shared, "ecr-login"): not is_narrow,
        ("get", "secrets", release.namespace, "other"): not is_named and not is_narrow,
        ("create", "serviceaccounts/token", account, "other"): not is_named,
        ("create", "pods", inline, ""): False,
        ("update", "leases", release.namespace, "other"): False,
        ("delete", "leases", release.namespace, "other"): False,
    }
    assert allowed(kubeconfig, *rights) == rights


@pytest.mark.slow
@pytest.mark.versions
def test_a_cron_job_serves_all_with_the_rights_of_a_pass(
    release: Release, cluster: Cluster, aws: AWSEndpoint, principal: Principal, ansible: Ansible, tmp_path: Path
) -> None:
    """It watches nothing and holds no Lease, and has no right to."""
    (own,) = cluster.namespaces("own")
    values = {"awsEndpointUrl": aws.url, "logLevel": "debug"}
    release.upgrade({"mode": "cronjob", "crds": {"enabled": False}, "runner": values})
    cluster.apply(pull_secret("app", principal, namespaces=[f"{own}*"]))
    with tempfile.TemporaryDirectory() as temporary:
        done = release.run(ansible, Path(temporary))
    assert done.returncode == 0, done.stderr
    assert "pass ended" in done.stderr
    assert "orbidden" not in done.stderr
    assert cluster.config(own)
    kubeconfig = release.kubeconfig(tmp_path / "rights")
    rights = {("list", "secrets", "", ""): True, ("watch", "secrets", "", ""): False, ("get", "leases", "", ""): False}
    assert allowed(kubeconfig, *rights) == rights


def test_the_pod_of_a_test_stays_if_it_fails_and_goes_if_it_succeeds(release: Release, cluster: Cluster) -> None:
    """There is no node to run it, so its phase is written by hand."""
    release.upgrade({"crds": {"enabled": False}})
    test = ["test", release.name, "-n", release.namespace]

    def pods() -> list[str]:
        return [each.metadata.name for each in cluster.core.list_namespaced_pod(release.namespace).items]

    def ended(phase: str) -> str:
        with ThreadPoolExecutor() as pool:
            said = pool.submit(run_helm, *test, kubeconfig=cluster.plane.kubeconfig)
            cluster.wait(pods, "helm has created it")
            status = {"status": {"phase": phase}}
            cluster.core.patch_namespaced_pod_status(f"{release.name}-test", release.namespace, status)
            return said.result()

    with pytest.raises(HelmError):
        ended("Failed")
    assert pods() == [f"{release.name}-test"], "its log says why"
    (command,) = re.findall(r"^kubectl (delete pod .*)$", (CHART / "README.md").read_text(), re.MULTILINE)
    cluster.kubectl(*command.replace(f"-n {NAMESPACE} ", f"-n {release.namespace} ").split())
    assert pods() == []
    assert "Succeeded" in ended("Succeeded")
    assert pods() == []


@pytest.fixture(scope="module")
def bare_plane() -> Iterator[ControlPlane]:
    """A control plane without definitions: in that of the other tests they belong to kubectl."""
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
def bare(bare_plane: ControlPlane) -> Iterator[Cluster]:
    """That control plane, without definitions and releases before and after."""
    yield Cluster(bare_plane)
    for release, namespace in ((Release.name, NAMESPACE), ("other", NAMESPACE), (OLD, f"{OLD}-system")):
        run_helm("uninstall", release, "-n", namespace, "--ignore-not-found", kubeconfig=bare_plane.kubeconfig)
    bare_plane.kubectl("delete", "crd", "--all")


@pytest.fixture
def pod_home(aws: AWSEndpoint) -> Iterator[Ansible]:
    """What a process of the bare control plane has, beside what the chart gives it."""
    with tempfile.TemporaryDirectory() as home:
        yield Ansible(Path(home), {})


def uid(cluster: Cluster, namespace: str) -> str:
    secret = cluster.secret(namespace)
    assert secret is not None
    return secret["metadata"]["uid"]


def definitions(cluster: Cluster) -> list[str]:
    return cluster.kubectl("get", "crd", "-o", "name").split()


@pytest.mark.slow
@pytest.mark.versions
def test_uninstalled_it_leaves_all_that_it_served_and_installed_again_it_goes_on(
    bare: Cluster, aws: AWSEndpoint, principal: Principal, pod_home: Ansible, tmp_path: Path
) -> None:
    release = Release(bare.plane, NAMESPACE)
    values: Values = {"runner": {"awsEndpointUrl": aws.url}}
    (own,) = bare.namespaces("own")
    release.upgrade(values, "--create-namespace")
    bare.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    bare.apply(pull_secret("app", principal, namespace=own))
    with (
        tempfile.TemporaryDirectory() as temporary,
        release.runner(pod_home, tmp_path / "first.log", Path(temporary)) as runner,
    ):
        bare.wait_ready(NAMESPACED, "app", own)
        edit, view = (bare.kubectl("get", "clusterrole", each, "-o", "json") for each in ("edit", "view"))
        assert "awsecrimagepullsecrets" in edit
        assert "awsecrimagepullsecrets" not in view, "there may be keys in them"
        done = release.test(pod_home, Path(temporary))
        assert (done.returncode, done.stdout.splitlines()[0]) == (0, f"{NAMESPACED}/{own}/app: nothing to do"), (
            done.stderr
        )
        changed = {"runner": {**values["runner"], "logFormat": "json", "batchSize": 7}, "replicas": 2}
        release.upgrade(changed)
        assert "--batch-size=7" in release.container()["args"]
        assert runner.ask("/readyz")[0] == 200
    before, calls = uid(bare, own), len(aws.calls)

    kept = release.uninstall()
    assert all(f"[CustomResourceDefinition] {crd['metadata']['name']}" in kept for crd in CRDS.values())
    assert len(definitions(bare)) == len(CRDS)
    assert (
        bare.kubectl("get", "deploy,sa,role,clusterrole", "-A", "-o", "name", "-l", "app.kubernetes.io/part-of") == ""
    )
    assert uid(bare, own) == before
    bare.wait(lambda: bare.kubectl("get", "lease", "-n", NAMESPACE, "-o", "name") == "", "its Lease is gone")
    release.upgrade(changed)
    with (
        tempfile.TemporaryDirectory() as temporary,
        release.runner(pod_home, tmp_path / "second.log", Path(temporary)) as runner,
    ):
        bare.wait(runner.is_watching, "it serves them")
        assert len(aws.calls) == calls, "what is good is left as it is"
        bare.kubectl("annotate", "aeps", "app", "-n", own, "aws.zakariaamine.com/reconcile-at=now")
        bare.wait(lambda: "SecretUpdateSuccess" in dict(bare.events("app")), "a new token is written")
    assert uid(bare, own) == before

    release.upgrade({"crds": {"enabled": False}})
    assert len(definitions(bare)) == len(CRDS), "an upgrade that has none of them leaves them, too"
    release.uninstall()
    assert len(definitions(bare)) == len(CRDS)


@pytest.mark.slow
def test_definitions_that_a_release_left_are_taken_over_by_another_that_is_told_to(
    bare: Cluster, principal: Principal
) -> None:
    release = Release(bare.plane, NAMESPACE)
    release.upgrade({}, "--create-namespace")
    bare.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    (own,) = bare.namespaces("own")
    bare.apply(pull_secret("app", principal, namespace=own))
    before = bare.resource(NAMESPACED, "app", own)["metadata"]["uid"]
    release.uninstall()
    other = Release(bare.plane, NAMESPACE, "other")
    with pytest.raises(HelmError, match="invalid ownership metadata"):
        other.upgrade({})
    # helm 3 applies nothing on the server, so it meets no conflict and does not know the second one.
    known = run_helm("upgrade", "--help")
    other.upgrade(
        {"crds": {"keep": False}}, *(each for each in ("--take-ownership", "--force-conflicts") if each in known)
    )
    assert bare.resource(NAMESPACED, "app", own)["metadata"]["uid"] == before
    assert "[CustomResourceDefinition]" not in other.uninstall()
    bare.wait(lambda: definitions(bare) == [], "the definitions are gone, as was asked for")


def commands(number: int) -> str:
    """Return a block of commands of the page, of its section on the chart."""
    (section,) = re.findall(r"^## From the Go operator's chart\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
    return re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[number]


def shell(cluster: Cluster, script: str) -> subprocess.CompletedProcess[str]:
    """Run commands as one who has a clone of the repository."""
    path = f"{kubectl_path().parent}:{go_tool(HELM).parent}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as home:
        env = {"PATH": path, "HOME": home, "KUBECONFIG": cluster.kubeconfig}
        command = ["/bin/bash", "-euo", "pipefail", "-c", script]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)


@pytest.fixture
def old_chart(tmp_path: Path) -> Path:
    """A chart that has its definitions as that of the Go operator has them: in crds/, with v1alpha1 stored."""
    chart = tmp_path / OLD
    (chart / "crds").mkdir(parents=True)
    (chart / "templates").mkdir()
    (chart / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": OLD, "version": "1.0.0"}))
    (chart / "templates" / "account.yaml").write_text(
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: manager}}"
    )
    for name, crd in CRDS.items():
        versions = ["v1alpha1", "v1alpha2"] if name.startswith("cluster") else []
        (chart / "crds" / f"{name}.yaml").write_text(json.dumps(old_crd(crd, *versions)))
    return chart


@pytest.mark.slow
def test_definitions_of_the_go_operators_chart_are_taken_over_as_documented(
    bare: Cluster, principal: Principal, old_chart: Path
) -> None:
    crd = CRDS["clusterawsecrimagepullsecrets"]
    installed = ["install", OLD, str(old_chart), "-n", f"{OLD}-system", "--create-namespace"]
    run_helm(*installed, kubeconfig=bare.plane.kubeconfig)
    bare.apply(pull_secret("shared", principal, namespaces=["ns1"]))
    # Its next release stores the other version.
    bare.kubectl("replace", "-f", "-", stdin=json.dumps(old_crd(crd, "v1alpha2", "v1alpha1")))
    with pytest.raises(HelmError, match="invalid ownership metadata"):
        run_helm("install", "a", str(CHART), kubeconfig=bare.plane.kubeconfig)
    refusal = shell(bare, commands(0)).stderr
    assert "status.storedVersions" in refusal
    assert "v1alpha1" in refusal
    (stored,) = re.findall(r"^```sh\n(kubectl get clusteraws.*?)^kubectl apply", PAGE, re.MULTILINE | re.DOTALL)
    before = bare.resource(CLUSTER, "shared")
    for script in (stored, commands(0)):
        done = shell(bare, script)
        assert done.returncode == 0, done.stderr
    assert bare.resource(CLUSTER, "shared")["spec"] == before["spec"]
    replicas = ["get", "deploy", Release.name, "-n", NAMESPACE, "-o", "jsonpath={.spec.replicas}"]
    assert bare.kubectl(*replicas) == "0"

    start, status = commands(1).splitlines()
    assert "rollout status" in status  # which nothing answers where no node is
    done = shell(bare, f"{start}\n{commands(2)}")
    assert done.returncode == 0, done.stderr
    assert bare.kubectl(*replicas) == "1"
    assert len(definitions(bare)) == len(CRDS)
    assert bare.resource(CLUSTER, "shared")["metadata"]["uid"] == before["metadata"]["uid"]
    assert "namespaceSelector" in bare.kubectl("explain", "caeps.spec")
