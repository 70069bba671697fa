"""The inventory plugin against the real API server: AWS identities by host, references and never keys."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import Cluster, encoded, pull_secret
from tests.support.harness.ansible import Ansible


@pytest.fixture
def resources(cluster: Cluster, aws: AWSEndpoint, principal: Principal) -> list[str]:
    """Four resources of two identities: of the first, one in plain text and two in base64; one of the second."""
    team_a, team_b = cluster.namespaces("team-a", "team-b")
    other = aws.principal(account="444455556666")
    labelled = pull_secret("shared", encoded(principal), namespaces=[team_a, team_b])
    labelled["metadata"]["labels"] = {"tier": "production"}
    cluster.apply(
        pull_secret("app", principal, namespace=team_a),
        pull_secret("app", encoded(principal), namespace=team_b),
        pull_secret("other", other, namespace=team_b, region="us-east-1"),
        labelled,
    )
    return [team_a, team_b]


def listing(ansible: Ansible, options: dict[str, Any] | None = None, **env: str) -> dict[str, dict]:
    """Return the variables of each host, by its name."""
    run = ansible.run("ansible-inventory", "-i", ansible.inventory(options), "--list", **env)
    assert run.status == 0, run.output
    return json.loads(run.stdout, object_hook=_plain)["_meta"]["hostvars"]


def _plain(node: dict[str, Any]) -> Any:
    """What must not be taken for a template is marked in this listing."""
    return node.get("__ansible_unsafe", node)


def served(hosts: dict[str, dict]) -> list[str]:
    """Return what the hosts serve, as Kind/namespace/name."""
    return sorted(each["reference"] for variables in hosts.values() for each in variables["pull_secrets"])


def test_graph_shows_identities_and_list_shows_what_each_serves_and_no_key(
    ansible: Ansible, principal: Principal, resources: list[str]
) -> None:
    team_a, team_b = resources
    graph = ansible.run("ansible-inventory", "-i", ansible.inventory(), "--graph")
    assert graph.stdout.splitlines() == [
        "@all:",
        "  |--@ungrouped:",
        "  |--@aws_identities:",
        "  |  |--aws-identities-1",
        "  |--@suspended_pull_secrets:",
    ]

    hosts = listing(ansible)
    shared = [f"AWSECRImagePullSecret/{namespace}/app" for namespace in (team_a, team_b)]
    shared += ["ClusterAWSECRImagePullSecret/shared"]
    other = [f"AWSECRImagePullSecret/{team_b}/other"]
    assert served(hosts) == sorted(shared + other)
    (variables,) = hosts.values()
    by_region = {order["region"]: sorted(order["resources"]) for order in variables["aws_logins"]}
    assert by_region == {"eu-west-1": shared, "us-east-1": other}
    assert len(variables["aws_logins"]) == 2, "one for each identity"
    for form in (principal.secret_key, encoded(principal).secret_key, principal.access_key):
        assert form not in json.dumps(hosts)


@pytest.mark.slow
def test_an_option_or_a_variable_picks_resources(ansible: Ansible, resources: list[str]) -> None:
    team_a, team_b = resources
    shared, app_a, app_b = (
        "ClusterAWSECRImagePullSecret/shared",
        f"AWSECRImagePullSecret/{team_a}/app",
        f"AWSECRImagePullSecret/{team_b}/app",
    )
    assert served(listing(ansible, {"names": ["app"]})) == [app_a, app_b]
    assert served(listing(ansible, {"names": [f"{team_a}/app", shared]})) == [app_a, shared]
    assert served(listing(ansible, KUBE_ECR_NAMES=f"{app_b},shared")) == [app_b, shared]
    assert served(listing(ansible, KUBE_ECR_NAMESPACES=team_a)) == [app_a]
    assert served(listing(ansible, {"label_selector": "tier=production"})) == [shared]
    assert served(listing(ansible, KUBE_ECR_SELECTOR="tier=production")) == [shared]
    hosts = listing(ansible, {"names": ["app", "nothing"]})
    assert served(hosts) == [app_a, app_b]
    assert hosts["inventory-error"]["inventory_error"].endswith("no custom resource is called nothing")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kubeconfig": "/nonexistent"}, "cannot read the custom resources: read the kubeconfig: NoCluster"),
        ({"label_selector": "a b c"}, "label_selector: 'a b c' is no condition on a label"),
        ({"namespaces": ["team-a;team-b"]}, "namespaces: 'team-a;team-b' is not the name of a namespace"),
        ({"namespaces": [83]}, "namespaces[0]: 83 is a number to YAML"),
        ({"name": ["app"]}, "unknown option 'name'; the options are "),
    ],
)
def test_what_is_wrong_with_the_file_or_the_cluster_is_said(
    ansible: Ansible, cluster: Cluster, options: dict[str, Any], words: str
) -> None:
    run = ansible.run("ansible-inventory", "-i", ansible.inventory(options), "--list")
    assert words in run.stderr
    assert "Traceback" not in run.output


@pytest.mark.slow
def test_a_run_ahead_of_need_serves_what_it_is_told_and_ends_with_who_began_it(
    ansible: Ansible, resources: list[str]
) -> None:
    """Its inventory is empty until a play refreshes it."""
    names, fifo, playbook = (ansible.home / name for name in ("names.json", "release", "play.yml"))
    os.mkfifo(fifo)
    options = {"names_file": str(names), "wait_for": str(fifo)}
    wait = {"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.meta": "refresh_inventory"}]}
    show = {"name": "Show", "ansible.builtin.debug": {"var": "pull_secrets"}}
    playbook.write_text(json.dumps([wait, {"hosts": "aws_identities", "gather_facts": False, "tasks": [show]}]))
    command = ("ansible-playbook", "-i", ansible.inventory(options), str(playbook))
    wanted = "ClusterAWSECRImagePullSecret/shared"
    gone = ["AWSECRCredential/shared", f"AWSECRImagePullSecret/{resources[0]}/gone"]
    cases = {"[]": "with one at least", '["shared"]': "with their kinds", json.dumps([wanted, *gone]): wanted}
    with fifo.open("r+b", buffering=0) as release:
        for content, words in cases.items():
            names.write_text(content)
            release.write(b"\n")
            run = ansible.run(*command)
            assert words in run.output
    assert [each["reference"] for each in run.result("Show")["pull_secrets"]] == [wanted]
    assert "the process has ended that was to write into it" in ansible.run(*command).output
