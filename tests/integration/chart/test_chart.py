"""What the chart makes of its values: taken by a real API server and Pod Security, or refused by name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from kube_ecr_runner.config import watches
from kube_ecr_runner.config.settings import load_settings
from kube_ecr_runner.model.playbook import PlaybookSpec
from kube_ecr_runner.model.pod import Pod
from tests.support.cluster.control_plane import KubectlError
from tests.support.cluster.objects import Cluster
from tests.support.harness.chart_values import DIGEST, ENTRY, MATRIX, MONITORED, TWO
from tests.support.harness.helm import CHART, POLICIES, HelmError, Values, process_of, render, run_helm, the
from tests.support.harness.monitoring import definitions

VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
ALERTS = [each["alert"] for each in yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["rules"]]
MONITORING = {"ServiceMonitor": "servicemonitors", "PodMonitor": "podmonitors", "PrometheusRule": "prometheusrules"}
# Of a part of the image, what is said of texts that it cannot be.
IMAGE_SLIPS: list[tuple[str, str, list[str]]] = [
    ("registry", "is not of the form HOST", ["https://r.example.com", "oci://r.example.com", "r.example.com/", " r"]),
    ("repository", "makes", ["a/b:1.2", f"a/b@{DIGEST}", "https://r.example.com/a", "a/b/", "/a/b", "A/b", "a b"]),
    ("tag", "can be no tag", [":1.2", DIGEST, "1.2+3", "1.2\n", f"@{DIGEST}"]),
    ("digest", "is not of the form sha256:", ["sha256:abc", DIGEST.removeprefix("sha256:"), f"@{DIGEST}"]),
]


@pytest.fixture
def restricted(cluster: Cluster) -> str:
    """A namespace that takes no pod but of Pod Security `restricted`."""
    (name,) = cluster.namespaces("restricted")
    cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    return name


@pytest.fixture
def monitoring(cluster: Cluster) -> Iterator[None]:
    """The Prometheus operator's definitions of its kinds."""
    files = [f"--filename={path}" for path in definitions(*MONITORING.values())]
    cluster.kubectl("create", *files)
    cluster.kubectl("wait", "--for=condition=Established", *files, "--timeout=30s")
    yield
    cluster.kubectl("delete", "--wait=false", *files)


def pod_of(manifest: dict) -> dict | None:
    """Return the pod that an object is, or makes, if any: Pod Security refuses no controllers.

    Its service account is one that is there.
    """
    spec = manifest.get("spec", {})
    made = {"Pod": manifest, "Deployment": spec.get("template"), "CronJob": spec.get("jobTemplate", {}).get("spec", {})}
    pod = made.get(manifest["kind"])
    if pod is None:
        return None
    pod = pod.get("template", pod)
    metadata = {**pod["metadata"], "name": "pod", "namespace": manifest["metadata"]["namespace"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {**pod["spec"], "serviceAccountName": "default"},
    }


def dry_run(cluster: Cluster, manifests: list[dict]) -> str:
    """Have the API server judge them as strictly as it can, without storing them; raises KubectlError."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    options = ["--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-o", "name"]
    return cluster.kubectl("apply", *options, "-f", "-", stdin=text)


@pytest.mark.slow
@pytest.mark.usefixtures("monitoring")
def test_the_api_server_takes_whatever_comes_of_the_values(cluster: Cluster, restricted: str) -> None:
    """Everything of all sets of values at once: each is a release of its own, and one has the definitions."""
    cluster.wait_account(restricted)
    everything: list[dict] = []
    for name, values in MATRIX.items():
        own = {"crds": {"enabled": name == "defaults"}} | dict(values)
        versions = [POLICIES, "--api-versions=monitoring.coreos.com/v1"]
        manifests = render(own, *versions, release=f"r-{name}", namespace=restricted)
        everything += [each for each in manifests if each["kind"] != "Pod"]
        everything += filter(None, map(pod_of, manifests))
    for number, each in enumerate(everything):
        if each["kind"] == "Pod":
            each["metadata"]["name"] = f"pod-{number}"
    taken = dry_run(cluster, everything).split()
    assert len(taken) == len(everything)
    kinds = {each.split("/")[0].split(".")[0] for each in taken}
    assert {"mutatingadmissionpolicy", "mutatingadmissionpolicybinding"} <= kinds
    assert {"cronjob", "deployment", "pod", "poddisruptionbudget", "networkpolicy", "podmonitor", "role"} <= kinds


def test_pod_security_is_asked(cluster: Cluster, restricted: str) -> None:
    cluster.wait_account(restricted)
    pod = pod_of(the(render(namespace=restricted), "Deployment"))
    assert pod is not None
    lax = deepcopy(pod)
    lax["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    assert dry_run(cluster, [pod])
    with pytest.raises(KubectlError, match="violates PodSecurity"):
        dry_run(cluster, [lax])


@pytest.mark.parametrize("name", MATRIX)
def test_the_runner_understands_what_its_container_is_given(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = MATRIX[name]
    pods = [pod for pod in map(pod_of, render(values, POLICIES)) if pod]
    assert len(pods) == 2, "that of the runner and that of the test"
    for pod in pods:
        (container,) = pod["spec"]["containers"]
        args, env = process_of(container, {"metadata": {**pod["metadata"], "uid": "0f9c"}})
        for variable, text in env.items():
            monkeypatch.setenv(variable, text)
        settings = load_settings(args)
        is_runner = not settings.is_pass
        assert settings.pod == (Pod(pod["metadata"]["namespace"], "pod", "0f9c") if is_runner else None)
        assert str(settings.watches) == "/etc/kube-ecr-runner/watches.yaml"
        assert settings.namespaces == tuple(values.get("watchNamespaces", ()))
        for option, value in values.get("runner", {}).items():
            given = getattr(settings, re.sub(r"([A-Z])", r"_\1", option).lower())
            given = " ".join(given.arguments) if option == "ansibleArgs" else given
            assert given == (tuple(value) if isinstance(value, list) else value)
    assert [settings.dry_run, settings.once] == [True, False], "the test is what helm renders last"


def test_the_runner_understands_its_watches(tmp_path: Path) -> None:
    for name, text in the(render(MATRIX["watches"]), "ConfigMap")["data"].items():
        (tmp_path / name).write_text(text)
    (watch,) = watches.load(tmp_path / "watches.yaml")
    playbook = PlaybookSpec(str(tmp_path / "site.yml"), variables=json.dumps({"a": {"b": "{{ c }}"}}))
    assert (watch.kind, watch.playbook) == ("AWSECRImagePullSecret", playbook)


@pytest.mark.parametrize(
    ("values", "way", "word"),
    [
        ({"replicaz": 2}, "", "replicaz"),
        ({"image": {"Tag": "1"}}, "image", "Tag"),
        ({"rbac": {"secretName": ["a"]}}, "rbac", "secretName"),
        ({"rbac": {"serviceAccountTokens": {"enable": True}}}, "rbac serviceAccountTokens", "enable"),
        ({"rbac": {"secretNames": ["ECR"]}}, "rbac secretNames 0", "match"),
        ({"runner": {"logLevel": "trace"}}, "runner logLevel", "debug"),
        ({"runner": {"allowedAwsIdentities": ["ecr-pull"]}}, "runner allowedAwsIdentities 0", "match"),
        ({"runner": {"forks": 0}}, "runner forks", "1"),
        ({"mode": "daemonset"}, "mode", "cronjob"),
        ({"watchNamespaces": "team-a"}, "watchNamespaces", "array"),
        ({"watches": {"entries": [{**ENTRY, "finalizer": {}}]}}, "watches entries 0 finalizer", "null"),
        (
            {"watches": {"entries": [{**ENTRY, "snakeCaseParameters": False}]}},
            "watches entries 0 snakeCaseParameters",
            "",
        ),
        ({"runner": {"ansibleVerbosity": 8}}, "runner ansibleVerbosity", "7"),
        ({"prometheusRule": {"disabled": ["Typo"]}}, "prometheusRule disabled 0", "PullSecretNotReady"),
        ({"livenessProbe": {"period": 1}}, "livenessProbe", "period"),
        ({"extraEnv": [{"nam": "A"}]}, "extraEnv 0", "nam"),
    ],
)
def test_a_typo_is_refused_by_name(values: Values, way: str, word: str) -> None:
    with pytest.raises(HelmError) as error:
        render(values)
    assert word in error.value.refused[tuple(way.split())]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mode": "cronjob", "replicas": 2}, "replicas: has to be 1 with mode=cronjob"),
        ({"mode": "cronjob", "podMonitor": {"enabled": True}}, "podMonitor.enabled: does nothing with mode=cronjob"),
        ({"mode": "cronjob", **TWO, "replicas": 1}, "podDisruptionBudget.enabled: does nothing with mode=cronjob"),
        ({"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}, "set one of them to false"),
        ({"serviceMonitor": {"enabled": True}, "service": {"enabled": False}}, "needs service.enabled=true"),
        ({"podDisruptionBudget": {"enabled": True}}, "podDisruptionBudget.enabled: .* set replicas to 2 or more"),
        (
            {**TWO, "podDisruptionBudget": {"enabled": True, "minAvailable": 1, "maxUnavailable": 1}},
            'set the other to ""',
        ),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name: is empty; .* set serviceAccount.create=true"),
        ({"watches": {"files": {"site.yml": ""}}}, "watches.files: .* set watches.entries"),
        ({"watches": {"entries": [ENTRY], "files": {"watches.yaml": ""}}}, "watches.files: has a watches.yaml"),
        (
            {"watches": {"entries": [{**ENTRY, "kind": "AWSECRCredential"}]}, "watchNamespaces": ["a"]},
            "add an entry for it",
        ),
        ({"runner": {"recoverPods": True, "watchPods": False}}, "runner.recoverPods: needs runner.watchPods=true"),
        ({"runner": {"recoverPods": True}, "mode": "cronjob"}, "runner.recoverPods: does nothing with mode=cronjob"),
        ({"metrics": {"secure": True}, "mode": "cronjob"}, "metrics.secure: does nothing with mode=cronjob"),
        ({"metrics": {"authorization": {"enabled": True}}}, "metrics.authorization.enabled: needs metrics.secure=true"),
        (
            {"metrics": {"secure": True, "authorization": {"credentials": {"name": "a", "key": "b"}}}},
            "metrics.authorization.credentials: counts only with metrics.authorization.enabled=true",
        ),
        (
            {"metrics": {"certificate": {"secretName": "a"}}},
            "metrics.certificate: counts only with metrics.secure=true",
        ),
        (
            {"metrics": {"secure": True, "certificate": {"ca": {"secret": {"name": "a", "key": "b"}}}}},
            "metrics.certificate.ca: is of no use without metrics.certificate.secretName",
        ),
        (
            {"metrics": {"secure": True, "authorization": {"enabled": True}}, "podMonitor": {"enabled": True}},
            "podMonitor.enabled: a PodMonitor cannot name the token of Prometheus itself",
        ),
        ({"rbac": {"keysSecretNames": ["a"]}}, "rbac.keysSecretNames: limits nothing without rbac.secretNames"),
        ({"rbac": {"serviceAccountTokens": {"enabled": False, "names": ["a"]}}}, "serviceAccountTokens.enabled=true"),
        *(
            ({"image": {part: text}}, f"image.{part}: {re.escape(json.dumps(text))} {words}")
            for part, words, texts in IMAGE_SLIPS
            for text in texts
        ),
        (
            {"podSecurityContext": {"runAsGroup": 65532}},
            "podSecurityContext.runAsGroup: .* set podSecurityContext.runAsUser",
        ),
        (
            {"podSecurityContext": {"runAsGroup": 0}, "securityContext": {"runAsUser": 65532}},
            "podSecurityContext.runAsGroup: .* set podSecurityContext.runAsUser",
        ),
    ],
)
def test_values_that_do_not_go_together_are_refused_with_what_to_set(values: Values, words: str) -> None:
    with pytest.raises(HelmError, match=words):
        render(values)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ({}, f"ghcr.io/kube-ecr/runner:{VERSION}"),
        ({"registry": "", "repository": "a/b"}, f"a/b:{VERSION}"),
        ({"registry": "r.example.com:5000", "tag": "1.2"}, "r.example.com:5000/kube-ecr/runner:1.2"),
        ({"registry": "r.example.com/mirror"}, f"r.example.com/mirror/kube-ecr/runner:{VERSION}"),
        ({"tag": "1.2", "digest": DIGEST}, f"ghcr.io/kube-ecr/runner@{DIGEST}"),
        ({"tag": f"1.2@{DIGEST}"}, f"ghcr.io/kube-ecr/runner:1.2@{DIGEST}"),
        # The registry in the repository.
        ({"repository": "r.example.com/a/b", "digest": DIGEST}, f"r.example.com/a/b@{DIGEST}"),
        ({"repository": "r.example.com:5000/a/b", "tag": "1.2"}, "r.example.com:5000/a/b:1.2"),
        ({"repository": "localhost/a"}, f"localhost/a:{VERSION}"),
        ({"repository": "registry:5000/a"}, f"registry:5000/a:{VERSION}"),
        ({"repository": "ghcr.io/kube-ecr/runner"}, f"ghcr.io/kube-ecr/runner:{VERSION}"),
        # A cache that has other registries in its paths.
        ({"registry": "r.example.com", "repository": "ghcr.io/a/b"}, f"r.example.com/ghcr.io/a/b:{VERSION}"),
    ],
)
def test_every_part_of_the_image_counts(image: Values, name: str) -> None:
    for mode in ("deployment", "cronjob"):
        objects = render({"image": image, "mode": mode})
        pods = filter(None, map(pod_of, objects))
        images = [container["image"] for pod in pods for container in pod["spec"]["containers"]]
        assert images == [name, name], "of the runner and of the test"


def test_as_a_part_of_another_chart_it_has_a_condition_and_knows_global(tmp_path: Path) -> None:
    dependency = {"name": "kube-ecr-runner", "version": VERSION, "condition": "kube-ecr-runner.enabled"}
    parent = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "kube-ecr-runner").symlink_to(CHART.resolve())
    (tmp_path / "Chart.yaml").write_text(json.dumps(parent))
    shared = {"global": {"imageRegistry": "registry.example.com"}}
    on = render({**shared, "kube-ecr-runner": {"enabled": True, "replicas": 3}}, release="a", chart=tmp_path)
    deployment = the(on, "Deployment")
    assert (deployment["metadata"]["name"], deployment["spec"]["replicas"]) == ("a-kube-ecr-runner", 3)
    assert render({**shared, "kube-ecr-runner": {"enabled": False}}, release="a", chart=tmp_path) == []
    with pytest.raises(HelmError, match="replicaz"):
        render({"kube-ecr-runner": {"replicaz": 3}}, release="a", chart=tmp_path)


@pytest.mark.parametrize(
    ("values", "on_new", "on_old"),
    [
        ({}, ["cluster", "namespaced"], []),
        ({"podInjection": {"enabled": True}}, ["cluster", "namespaced"], None),
        ({"podInjection": {"enabled": False}}, [], []),
        ({"watchNamespaces": ["a"]}, [], []),
        ({"watchNamespaces": ["a"], "podInjection": {"enabled": True}}, ["namespaced"], None),
        ({"mode": "cronjob"}, ["cluster", "namespaced"], []),
    ],
)
def test_pod_injection_comes_where_the_api_server_has_it(
    values: Values, on_new: list[str], on_old: list[str] | None
) -> None:
    """None: it is refused. Each policy has a binding of its name; two releases in two namespaces share none."""

    def found(*args: str) -> list[str]:
        objects = render(values, *args)
        names = {
            kind: sorted(each["metadata"]["name"] for each in objects if each["kind"] == f"MutatingAdmission{kind}")
            for kind in ("Policy", "PolicyBinding")
        }
        assert names["Policy"] == names["PolicyBinding"]
        return [name.removeprefix("kube-ecr.kube-ecr-runner.") for name in names["Policy"]]

    assert found(POLICIES) == on_new
    if on_old is None:
        with pytest.raises(HelmError, match=r"podInjection\.enabled: this API server has no MutatingAdmissionPolicy"):
            found()
    else:
        assert found() == on_old


def test_schema_and_values_name_the_same() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def same(node: dict, values: object, path: str) -> None:
        while "$ref" in node:
            node = schema["definitions"][node["$ref"].rsplit("/", 1)[1]]
        if "properties" in node and isinstance(values, dict):
            unread = {"global", "enabled"} if not path else set()
            # An empty mapping stands for nothing; what it may hold says its comment.
            partly = (
                path in ("resources", "startupProbe", "livenessProbe", "readinessProbe")
                or "ecurityContext" in path
                or not values
            )
            # Kubernetes knows more of these, and their types are looked at by it.
            assert node.get("additionalProperties") is (None if "ecurityContext" in path else False), path
            assert set(values) <= set(node["properties"]), path
            assert partly or set(node["properties"]) - unread == set(values), path
            for name, value in values.items():
                same(node["properties"][name], value, f"{path}.{name}".strip("."))

    same(schema, VALUES, "")


def notes(values: Values) -> str:
    return run_helm(
        "install",
        "kube-ecr-runner",
        str(CHART),
        "--namespace=kube-ecr",
        "--dry-run=client",
        values=values,
    ).split("NOTES:")[1]


# Metrics that Prometheus reads with a token of its own.
SHOWN = {"serviceMonitor": {"enabled": True}}
SECURED = {"secure": True, "authorization": {"enabled": True}}


@pytest.mark.parametrize(
    ("values", "told", "untold"),
    [
        (
            {},
            ["kubectl rollout status deployment/kube-ecr-runner -n kube-ecr", "kubectl get aeps,caeps -A"],
            ["WARNING", "Note"],
        ),
        ({"mode": "cronjob"}, ["kubectl create job kube-ecr-runner-now --from=cronjob/kube-ecr-runner"], ["rollout"]),
        ({"watchNamespaces": ["a", "b"]}, ["of namespace a, b", "namespace: a", "kubectl get aeps -A"], ["caeps"]),
        ({"rbac": {"secretNames": ["pull"]}}, ["secretName: pull", "with credentialsSecretRef are not served"], []),
        ({"crds": {"keep": False}}, ["WARNING: crds.keep=false"], []),
        ({"crds": {"enabled": False}}, ["kubectl apply --server-side -f crds/"], []),
        ({"replicas": 0}, ["WARNING: replicas=0"], []),
        ({**SHOWN, "metrics": SECURED}, ["Prometheus shows its own token to whoever"], []),
        (
            {**SHOWN, "metrics": {**SECURED, "certificate": {"secretName": "tls"}}},
            [],
            ["Prometheus shows its own token"],
        ),
        ({"networkPolicy": {"enabled": True}, "podMonitor": {"enabled": True}}, ["Prometheus cannot reach"], []),
        ({"proxy": {"httpsProxy": "http://proxy", "noProxy": ""}}, ["proxy.noProxy lacks 169.254.169.254"], []),
    ],
)
def test_the_notes_tell_what_is_next_for_this_installation(values: Values, told: list[str], untold: list[str]) -> None:
    text = notes(values)
    assert [each for each in told if each not in text] == []
    assert [each for each in untold if each in text] == []


def test_alerts_take_the_metrics_of_their_release() -> None:
    for monitor, job in (("serviceMonitor", "a-kube-ecr-runner"), ("podMonitor", "kube-ecr/a-kube-ecr-runner")):
        objects = render({monitor: {"enabled": True}, "prometheusRule": {"enabled": True}}, release="a")
        (group,) = the(objects, "PrometheusRule")["spec"]["groups"]
        expressions = {each["alert"]: each["expr"] for each in group["rules"]}
        assert list(expressions) == ALERTS
        (pods,) = set(re.findall(r'namespace="kube-ecr", pod=~"(.*?)"', expressions.pop("PullSecretRunnerOOMKilled")))
        names = ["a-kube-ecr-runner-5d8f9c7b6d-x2x4z", "a-kube-ecr-runner-test", "a-kube-ecr-runner-b-5d8f9c7b6d-x2x4z"]
        assert [bool(re.fullmatch(pods, name)) for name in names] == [True, False, False]
        assert all(f'{{job="{job}"}}' in each for each in expressions.values())
        assert "{{ $labels.name }}" in group["rules"][0]["annotations"]["summary"]
    (group,) = the(render(MONITORED), "PrometheusRule")["spec"]["groups"]
    assert [each["alert"] for each in group["rules"]] == [*ALERTS[:-1], "Mine"]
    assert group["rules"][0]["labels"] == {"severity": "critical", "team": "platform"}


def test_examples_that_are_shown_are_taken_and_definitions_told_as_they_are(cluster: Cluster) -> None:
    """Those of Artifact Hub, and that of the notes."""
    annotations = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]
    examples = yaml.safe_load(annotations["artifacthub.io/crdsExamples"])
    (example,) = re.findall(r"<<END\n(.*?)\n +END\n", notes({"watchNamespaces": ["default"]}), re.DOTALL)
    (namespace,) = cluster.namespaces("own")
    for each in (*examples, yaml.safe_load(example)):
        if "namespace" in each["metadata"]:
            each["metadata"]["namespace"] = namespace
        cluster.offer(each)
    told = {
        (each["name"], each["kind"], each["version"]) for each in yaml.safe_load(annotations["artifacthub.io/crds"])
    }
    crds = [yaml.safe_load(path.read_text()) for path in (CHART / "files" / "crds").glob("*.yaml")]
    assert told == {
        (each["metadata"]["name"], each["spec"]["names"]["kind"], each["spec"]["versions"][0]["name"]) for each in crds
    }
