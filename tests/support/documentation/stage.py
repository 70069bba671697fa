"""What examples take for granted when they are run: namespaces, AWS profiles and roles, a proxy, AWX, variables.

The text of an example is not changed, but for hosts and files that this machine does not have (`substitutes`). Where
AWS and AWX are comes from variables of the environment, and for tasks with explicit keys, which exclude those, from
`module_defaults` around the task.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubernetes.client.exceptions import ApiException

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.awx.controller import Controller
from tests.support.cluster.control_plane import kubectl_path
from tests.support.cluster.http_proxy import HTTPProxy
from tests.support.cluster.objects import Cluster
from tests.support.cluster.pki import CertificateAuthority
from tests.support.cluster.tls_front import TLSFront
from tests.support.documentation.examples import INVENTORY, PLAY, VARIABLES, Example, role_of
from tests.support.harness import packaged_collections
from tests.support.harness.ansible import COLLECTIONS, TARGET_PYTHON, Ansible, Run
from tests.support.harness.local_server import LocalServer
from tests.support.harness.tools import HELM, go_tool

NAMESPACES = ("team-a", "team-b", "team-a-web", "argocd")
_OAUTH_TOKEN = "canary-oauth-token"
# Names of the tasks between examples, by which results are told apart.
_FIRST, _AGAIN = "First: ", "Again: "
_PATIENCE = 60.0


@dataclass(frozen=True)
class Setting:
    """What an example needs beside the common stage.

    prepare is called before it. variables are extra variables, defaults options of ecr_token, environment more of the
    environment; each is told the stage. before are tasks that run first. may_change says why a second run may change
    something.
    """

    prepare: Callable[[Stage], object] = lambda stage: None
    variables: Callable[[Stage], Mapping[str, Any]] = lambda stage: {}
    defaults: Callable[[Stage], Mapping[str, Any]] = lambda stage: {}
    environment: Callable[[Stage], Mapping[str, str]] = lambda stage: {}
    before: tuple[Mapping[str, Any], ...] = ()
    may_change: str = ""


@dataclass
class Outcome:
    """What became of an example: how often it ran, in how many tasks, what failed, and what its second run changed."""

    runs: int = 0
    tasks: int = 0
    failures: list[str] = field(default_factory=list)
    changed_again: list[str] = field(default_factory=list)

    def problems(self, setting: Setting) -> list[str]:
        """Return what is wrong with it: what failed, and what changed again though it should not."""
        again = [] if setting.may_change else [f"changes again: {task}" for task in self.changed_again]
        nothing = [] if self.tasks else ["no task of it ran"]
        return [*self.failures, *nothing, *again]


class Hook(LocalServer):
    """Answers 200 to everything."""

    def _make(self) -> ThreadingHTTPServer:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@dataclass
class Stage:
    """Where examples run; `staged` makes one."""

    ansible: Ansible
    aws: AWSEndpoint
    principal: Principal
    awx: Controller
    proxy: HTTPProxy
    front: TLSFront
    hook: Hook
    cluster: Cluster | None = None

    @property
    def home(self) -> Path:
        """The home of the user who runs the examples."""
        return self.ansible.home

    @property
    def substitutes(self) -> dict[str, str]:
        """What stands for hosts and files that this machine does not have."""
        return {
            "/etc/pki/company.pem": str(self.home / "company.pem"),
            "http://proxy.example.com:3128": self.proxy.url,
            "/var/run/secrets/eks.amazonaws.com/serviceaccount/token": str(self.home / "token"),
        }

    def reset(self) -> None:
        """Clear away what examples left in the cluster and in the home, for the next ones."""
        self.awx.credentials.clear()
        for client in (".docker", ".config"):
            shutil.rmtree(self.home / client, ignore_errors=True)
        if self.cluster:
            self.cluster.clear_resources()
            for namespace in NAMESPACES:
                self.cluster.core.delete_collection_namespaced_secret(namespace)
                self.cluster.core.patch_namespaced_service_account("default", namespace, {"imagePullSecrets": None})

    def text_of(self, example: Example) -> str:
        """Return the text of an example as it is run."""
        text = example.text or json.dumps(example.content)
        for written, real in self.substitutes.items():
            text = text.replace(written, real)
        return text

    def write(self, name: str, content: object) -> str:
        """Write a file into the home, as JSON unless it is text, and return its path."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    def folder(self, name: str) -> str:
        """Make a folder in the home, and return its path."""
        (self.home / name).mkdir(exist_ok=True)
        return str(self.home / name)

    def run(self, setting: Setting, command: str, *args: str) -> Run:
        """Run a command with what a setting says."""
        setting.prepare(self)
        variables = self.write("variables.json", dict(setting.variables(self)))
        extra = ("-e", f"@{variables}") if command != "ansible-inventory" else ()
        return self.ansible.run(command, *args, *extra, **setting.environment(self))

    def run_tasks(self, examples: Iterable[tuple[Example, Setting]], hosts: str = "localhost") -> dict[str, Outcome]:
        """Run tasks in one play, each twice in a row, and return what became of each by its name."""
        tasks: list[Mapping[str, Any]] = []
        variables: dict[str, Any] = {}
        environment: dict[str, str] = {}
        for example, setting in examples:
            setting.prepare(self)
            variables |= setting.variables(self)
            environment |= setting.environment(self)
            task = json.loads(self.text_of(example))
            defaults = {"kube_ecr.secrets.ecr_token": {"endpoint_url": self.aws.url, **setting.defaults(self)}}
            tasks += setting.before
            for marker in (_FIRST, _AGAIN):
                tasks.append(_marker(f"{marker}{example.name}"))
                tasks.append({"block": [task], "module_defaults": defaults, "ignore_errors": True})
        play = {"name": "Examples", "hosts": hosts, "gather_facts": False, "tasks": tasks}
        arguments = [*self._hosts(), self.write("examples.yml", [play])]
        arguments += ["-e", f"@{self.write('variables.json', variables)}"]
        return _outcomes(self.ansible.run("ansible-playbook", *arguments, **environment))

    def run_twice(self, example: Example, setting: Setting) -> Outcome:
        """Run a play, an inventory or variables of a role twice in one process; return what became of it."""
        args, text = self._hosts(), self.text_of(example)
        if example.kind == INVENTORY:
            args, playbook = ["-i", self.write("ecr.yml", text)], "kube_ecr.secrets.reconcile"
        elif example.kind == VARIABLES:
            role = f"kube_ecr.secrets.{role_of(example)}"
            play = {"name": "Example", "hosts": "localhost", "gather_facts": False, "roles": [role]}
            args += ["-e", f"@{self.write('example.yml', text)}"]
            playbook = self.write("role.yml", [play])
        else:
            playbook = self.write("site.yml", text)
        if example.kind == PLAY and "hosts: aws_identities" in text:
            args = ["-i", self.write("ecr.yml", "plugin: kube_ecr.secrets.pull_secrets\n")]
        markers = {
            marker: self.write(f"{marker[:5]}.yml", [_marker_play(f"{marker}{example.name}")])
            for marker in (_FIRST, _AGAIN)
        }
        run = self.run(setting, "ansible-playbook", *args, markers[_FIRST], playbook, markers[_AGAIN], playbook)
        return _outcomes(run)[example.name]

    def _hosts(self) -> list[str]:
        """Return the options for an inventory of machines, which are this one."""
        machine = {"ansible_connection": "local", "ansible_python_interpreter": TARGET_PYTHON}
        return ["-i", self.write("hosts.json", {"build_machines": {"hosts": {"machine": machine}}})]


def _marker(name: str) -> dict[str, Any]:
    return {"name": name, "ansible.builtin.debug": {"msg": name}}


def _marker_play(name: str) -> dict[str, Any]:
    # An inventory is read anew, as a second process would do it.
    tasks = [_marker(name), {"name": "Refresh", "ansible.builtin.meta": "refresh_inventory"}]
    return {"name": "Marker", "hosts": "localhost", "gather_facts": False, "tasks": tasks}


def _outcomes(run: Run) -> dict[str, Outcome]:
    """Return what became of each example, by its name. Where the run failed as a whole, its output counts for each."""
    outcomes: dict[str, Outcome] = {}
    marker, name = "", ""
    for each in run.results:
        task, status, result = str(each["task"]), each["status"], each["result"]
        if task.startswith((_FIRST, _AGAIN)):
            marker, name = task[: len(_FIRST)], task[len(_FIRST) :]
            outcomes.setdefault(name, Outcome()).runs += 1
        elif not name:
            assert status != "failed", f"a preparation failed: {each}"
        elif status in ("failed", "item failed"):
            outcomes[name].failures.append(f"{task}: {result.get('msg')}")
        elif status in ("ok", "item ok"):
            outcomes[name].tasks += 1
            if marker == _AGAIN and result.get("changed"):
                outcomes[name].changed_again.append(task)
    assert outcomes, run.output
    if run.status != 0 or any(outcome.runs != 2 for outcome in outcomes.values()):
        for outcome in outcomes.values():
            outcome.failures = outcome.failures or [run.output]
    return outcomes


@contextmanager
def staged(ansible: Ansible, aws: AWSEndpoint, cluster: Cluster | None) -> Iterator[Stage]:
    """Make the common stage, with namespaces if there is a cluster, and clear it away again."""
    principal = aws.principal()
    authority = CertificateAuthority("company", has_identifiers=False)
    with ExitStack() as servers:
        awx = servers.enter_context(Controller(_OAUTH_TOKEN, ("nobody", "none")))
        proxy, hook = servers.enter_context(HTTPProxy()), servers.enter_context(Hook())
        pair = authority.server("aws", ["127.0.0.1"])
        front = servers.enter_context(TLSFront(urlsplit(aws.url).port or 0, pair))
        environment = {
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": aws.url,
            "CONTROLLER_HOST": awx.url,
            "CONTROLLER_OAUTH_TOKEN": _OAUTH_TOKEN,
            "ANSIBLE_COLLECTIONS_PATH": f"{COLLECTIONS}:{ansible.home}/.ansible/collections",
            "PATH": f"{go_tool(HELM).parent}:{kubectl_path().parent}:{os.environ['PATH']}",
        }
        stage = Stage(Ansible(ansible.home, {**ansible.env, **environment}), aws, principal, awx, proxy, front, hook)
        _write_files(stage, authority)
        if cluster:
            stage.cluster = cluster
            _make_namespaces(cluster)
            environment["KUBECONFIG"] = environment["K8S_AUTH_KUBECONFIG"] = _write_kubeconfigs(stage, cluster)
            stage.ansible = Ansible(ansible.home, {**ansible.env, **environment})
        _make_roles(stage)
        yield stage


def _write_files(stage: Stage, authority: CertificateAuthority) -> None:
    keys = f"aws_access_key_id={stage.principal.access_key}\naws_secret_access_key={stage.principal.secret_key}\n"
    # No variables: amazon.aws takes no profile beside keys of the environment.
    stage.write(".aws/credentials", f"[default]\n{keys}[registry-reader]\n{keys}")
    stage.write(".aws/config", "[profile registry-reader]\nregion = eu-west-1\n")
    stage.write("company.pem", authority.pem.decode())
    collections = stage.home / ".ansible" / "collections" / "ansible_collections"
    amazon = collections / "amazon" / "aws"
    amazon.parent.mkdir(parents=True, exist_ok=True)
    if not amazon.exists():
        amazon.symlink_to(packaged_collections.cached(packaged_collections.AMAZON_AWS))


def _write_kubeconfigs(stage: Stage, cluster: Cluster) -> str:
    """Write a kubeconfig with a context `staging` beside its own; both are the same cluster."""
    config = json.loads(Path(cluster.kubeconfig).read_text())
    config["contexts"].append({**config["contexts"][0], "name": "staging"})
    return stage.write(".kube/config", config)


def _make_roles(stage: Stage) -> None:
    """Make the AWS roles of the examples; the token of a service account is one of the cluster, if there is one."""
    aws, subject = stage.aws, "system:serviceaccount:team-a:puller"
    cluster_role = aws.role("cluster", web_identities=[subject])
    aws.role("registry-reader", web_identities=[subject])
    aws.role("registry-reader", account="444455556666", trusts=[stage.principal, cluster_role])
    for name in ("ecr-pull-team-b", "tenants/team-b"):
        aws.role(name, trusts=[stage.principal])
    if stage.cluster:
        aws.trust_issuer(stage.cluster.plane.issuer, stage.cluster.plane.issuer_key)
        stage.cluster.kubectl("create", "serviceaccount", "puller", "-n", "team-a")
        token = stage.cluster.kubectl("create", "token", "puller", "-n", "team-a", "--audience=sts.amazonaws.com")
        stage.write("token", token.strip())


def _make_namespaces(cluster: Cluster) -> None:
    """Make the namespaces that examples name; those of an example before may still be on their way out."""
    for name in NAMESPACES:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                cluster.make_namespace(name)
                cluster.wait_account(name)
                break
            except ApiException:
                assert time.monotonic() < deadline, f"namespace {name} is still there"
                time.sleep(0.1)
        cluster.remove_at_end(name)
