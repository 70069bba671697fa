"""What docs/install.md says to type: helm takes it, the role knows it, the API server accepts it, kubectl does it.

The commands of the AWS command line and of kind are not run; the JSON in the former is parsed.
"""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from tests.support.cluster.objects import NAMESPACED, Cluster
from tests.support.harness.helm import NAMESPACE, RELEASE, render, the

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "install.md").read_text()
MANIFESTS = ROOT / "roles" / "runner" / "files"
SPEC = yaml.safe_load((ROOT / "roles" / "runner" / "meta" / "argument_specs.yml").read_text())
OPTIONS = SPEC["argument_specs"]["main"]["options"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def commands(*words: str) -> list[list[str]]:
    """Return the commands of the page that begin with these words, each as its arguments, without them."""
    text = "\n".join(blocks("sh")).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines() if line.startswith(" ".join(words))]
    return [line[len(words) :] for line in lines]


HELM = commands("helm", "install") + commands("helm", "upgrade")
PLAYBOOK = commands("ansible-playbook")
VARIABLES = [block for block in blocks("yaml") if block.startswith("runner_")]
RESOURCES = [block for block in blocks("yaml") if block.startswith("apiVersion")]


@pytest.mark.parametrize("arguments", HELM)
def test_helm_takes_the_values(arguments: list[str]) -> None:
    release, chart, *rest = arguments
    assert (release, chart) in {(RELEASE, "oci://ghcr.io/kube-ecr/charts/kube-ecr-runner"), (RELEASE, "./chart")}
    assert rest[:2] == ["-n", NAMESPACE]
    values = [each for each in rest[2:] if each not in ("--create-namespace", "--reset-then-reuse-values")]
    kinds = "monitoring.coreos.com/v1/ServiceMonitor,monitoring.coreos.com/v1/PrometheusRule"
    objects = render(None, f"--api-versions={kinds}", *values)
    if values:
        assert objects != render(None), "they have an effect"
    if role := re.search(r"arn:aws:iam\S+", " ".join(values)):
        assert the(objects, "ServiceAccount")["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": role[0]}


def test_the_role_knows_the_variables() -> None:
    assert len(PLAYBOOK) > 3
    for playbook, *rest in PLAYBOOK:
        assert playbook == "kube_ecr.secrets.install"
        given = [value for option, value in pairwise(rest) if option == "-e"]
        names = [[*json.loads(each)] if each.startswith("{") else [each.split("=")[0]] for each in given]
        assert {name for each in names for name in each} <= OPTIONS.keys()
    (variables,) = map(yaml.safe_load, VARIABLES)
    assert variables.keys() <= OPTIONS.keys()
    assert the(render(variables["runner_values"]), "PodDisruptionBudget")


def test_policies_are_json() -> None:
    found = [
        each for block in blocks("sh") for each in re.findall(r"<<END\n(.*?)^END$", block, re.MULTILINE | re.DOTALL)
    ]
    assert [json.loads(each)["Version"] for each in found] == ["2012-10-17"] * 2


def test_each_link_leads_somewhere() -> None:
    headings = [
        re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    ]
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        path, _, anchor = target.partition("#")
        if path:
            assert (ROOT / "docs" / path).exists(), target
        else:
            assert anchor in headings, target


@pytest.mark.parametrize("block", RESOURCES)
def test_the_api_server_accepts_what_is_shown(block: str, cluster: Cluster) -> None:
    (namespace,) = cluster.namespaces("team-a")
    stdin = block.replace("namespace: team-a", f"namespace: {namespace}")
    cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=stdin)


def test_kubectl_installs_and_removes_the_runner_and_leaves_the_resources(cluster: Cluster) -> None:
    address = "https://github.com/kube-ecr/secrets/releases/latest/download/"
    applied = [each for each in commands("kubectl", "apply") if each[-1].startswith(address)]
    names = [each.pop().removeprefix(address) for each in applied]
    assert names == ["manifests.yaml", "pod-injection.yaml"] * 2
    (team,) = cluster.namespaces("team-a")
    app = next(each for each in RESOURCES if "name: app\n" in each and "---" not in each)
    try:
        # The first two of them install, the others upgrade: also where nothing is, or what is there is the same.
        for position in (2, 3, 0, 1, 2, 3):
            cluster.kubectl("apply", *applied[position], str(MANIFESTS / names[position]))
        cluster.kubectl("apply", "-f", "-", stdin=app.replace("namespace: team-a", f"namespace: {team}"))
        deployment = json.loads(cluster.kubectl("get", "deployment", RELEASE, "-n", NAMESPACE, "-o", "json"))
        assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == RELEASE
        deleted = [each for each in commands("kubectl", "delete") if "-l" in each]
        assert len(deleted) == 3
        for each in deleted:
            cluster.kubectl("delete", *each)
        kinds = "deployment,service,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding"
        kinds += ",mutatingadmissionpolicy,mutatingadmissionpolicybinding"
        left = cluster.kubectl("get", kinds, "-A", "-l", "app.kubernetes.io/part-of=kube-ecr", "-o", "name")
        assert left == ""
        assert cluster.resource(NAMESPACED, "app", team)
    finally:
        cluster.core.delete_namespace(NAMESPACE)
