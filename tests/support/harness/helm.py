"""The real helm with the chart of this repository: what it renders, and releases in a cluster."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.cluster.control_plane import ControlPlane
from tests.support.harness.ansible import Ansible
from tests.support.harness.runner import WATCHES, Runner
from tests.support.harness.tools import HELM, go_tool

# As a user of a clone has it: a symbolic link.
CHART = Path(__file__).parents[3] / "chart"
RELEASE, NAMESPACE = "kube-ecr-runner", "kube-ecr"
# What `helm template` is told of a cluster that knows policies for pods.
POLICIES = "--api-versions=admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"
_WATCHES_IN_IMAGE = "/etc/kube-ecr-runner/watches.yaml"
_SECONDS = 120.0
# Of the pods that no node runs, whose processes tests start.
_MADE = "made-for=a-process-of-a-test"
Values = Mapping[str, object]


class HelmError(RuntimeError):
    """helm failed; the text is what it wrote to stderr."""

    @property
    def refused(self) -> dict[tuple[str, ...], str]:
        """What the schema refuses: the way to each value, or to the mapping of an unknown one, and why."""
        # helm 4 and late 3:  - at '/image': additional properties 'Tag' not allowed
        # helm 3.14:          - image: Additional property Tag is not allowed
        found = re.findall(r"^ *- (?:at '/?(.*?)'|(\S+)): (.*)", str(self), re.MULTILINE)
        ways = [tuple(re.split("[/.]", new or old.replace("(root)", ""))) for new, old, _ in found]
        return {() if way == ("",) else way: why for way, (_, _, why) in zip(ways, found, strict=True)}


def run_helm(*args: str, values: Values | None = None, kubeconfig: Path | None = None) -> str:
    """Run helm with these values, and with files of its own in a directory that is removed; return its stdout.

    Without a kubeconfig it knows no cluster. Raises HelmError.
    """
    with tempfile.TemporaryDirectory() as home:
        env = {"HOME": home, "KUBECONFIG": str(kubeconfig or Path(home, "none")), "LANG": "C.UTF-8"}
        command = [str(go_tool(HELM)), *args]
        if values is not None:
            command += ["--values", "-"]
        done = subprocess.run(
            command, env=env, input=json.dumps(values), capture_output=True, text=True, timeout=_SECONDS
        )
    if done.returncode != 0:
        raise HelmError(done.stderr.strip())
    return done.stdout


def render(
    values: Values | None = None, *args: str, release: str = RELEASE, namespace: str = NAMESPACE, chart: Path = CHART
) -> list[dict]:
    """Return what the chart makes of these values, in helm's order; raises HelmError."""
    text = run_helm("template", release, str(chart), f"--namespace={namespace}", *args, values=values or {})
    return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]


def the(objects: list[dict], kind: str) -> dict:
    """Return the only object of a kind."""
    (found,) = (each for each in objects if each["kind"] == kind)
    return found


def pod_policies(objects: list[dict]) -> list[dict]:
    """Return the policies of spec.podInjection, and their bindings."""
    return [each for each in objects if each["kind"].startswith("MutatingAdmissionPolicy")]


def process_of(container: dict, pod: dict) -> tuple[list[str], dict[str, str]]:
    """Return arguments and variables of a container's process, as kubelet makes them of it and of its pod.

    A variable may refer to those before it.
    """
    env: dict[str, str] = {}

    def expanded(text: str) -> str:
        return re.sub(r"\$\((\w+)\)", lambda found: env.get(found[1], found[0]), text)

    for each in container["env"]:
        field = each.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "")
        env[each["name"]] = _field_of(pod, field) if field else expanded(each["value"])
    return [expanded(each) for each in container["args"]], env


def _field_of(pod: dict, path: str) -> str:
    """Return a field of a pod's metadata, or one of its annotations, as the downward API gives it."""
    name = path.removeprefix("metadata.")
    if annotation := re.fullmatch(r"annotations\['(.*)'\]", name):
        return pod["metadata"].get("annotations", {}).get(annotation[1], "")
    return pod["metadata"][name]


@dataclass(frozen=True)
class Release:
    """A release of the chart in a namespace of a control plane."""

    plane: ControlPlane
    namespace: str
    name: str = RELEASE

    def upgrade(self, values: Values, *args: str) -> str:
        """Install it, or upgrade it to these values; return what helm says. Raises HelmError."""
        return self._helm("upgrade", "--install", self.name, str(CHART), *args, values=values)

    def uninstall(self) -> str:
        """Uninstall it and return what helm says; the pods that runner() has made go, too."""
        said = self._helm("uninstall", self.name)
        self.plane.kubectl("delete", "pods", "-n", self.namespace, f"-l={_MADE}")
        return said

    def container(self) -> dict:
        """Return the container of its Deployment, or CronJob, as it is in the cluster."""
        return self._pod_spec()["containers"][0]

    def kubeconfig(self, path: Path) -> Path:
        """Write and return a kubeconfig with a token of the service account that its pods have."""
        token = self.plane.kubectl("create", "token", self._pod_spec()["serviceAccountName"], "-n", self.namespace)
        config = json.loads(self.plane.kubeconfig.read_text())
        config["users"] = [{"name": each["name"], "user": {"token": token}} for each in config["users"]]
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        return path

    def runner(self, ansible: Ansible, log: Path, temporary: Path) -> Runner:
        """Return the process that a pod of it would be, not started yet.

        It has the arguments and variables of the pod, and its service account; that pod is made, too, though no node
        runs it. Elsewhere than in the pod are watches.yaml, HOME and the directory for temporary files.
        """
        args, env = self._process(self.container(), log.with_suffix(".kubeconfig"), temporary)
        return Runner(Ansible(ansible.home, env), log, *args)

    def test(self, ansible: Ansible, temporary: Path) -> subprocess.CompletedProcess[str]:
        """Run what `helm test` would have a pod run, and return how it ended."""
        pod = yaml.safe_load(self._helm("get", "hooks", self.name))
        return self._ended(pod["spec"]["containers"][0], ansible, temporary)

    def run(self, ansible: Ansible, temporary: Path) -> subprocess.CompletedProcess[str]:
        """Run what its CronJob would have a pod run, and return how it ended."""
        return self._ended(self.container(), ansible, temporary)

    def _ended(self, container: dict, ansible: Ansible, temporary: Path) -> subprocess.CompletedProcess[str]:
        args, env = self._process(container, ansible.home / "pod.kubeconfig", temporary)
        command = [str(ansible.bin_dir / "kube-ecr-runner"), *args]
        environment = Ansible(ansible.home, env).environment()
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS)

    def _process(self, container: dict, kubeconfig: Path, temporary: Path) -> tuple[list[str], dict[str, str]]:
        is_told = any("valueFrom" in each for each in container["env"])
        args, env = process_of(container, self._make_pod() if is_told else {})
        args = [each.replace(_WATCHES_IN_IMAGE, str(WATCHES)) for each in args]
        assert str(WATCHES) in args[0]
        assert env.pop("HOME") == env.pop("TMPDIR") == "/tmp"
        return args, env | {"TMPDIR": str(temporary), "K8S_AUTH_KUBECONFIG": str(self.kubeconfig(kubeconfig))}

    def _make_pod(self) -> dict:
        template = self._template()
        metadata = {"generateName": f"{self.name}-", "labels": dict([_MADE.split("=")])}
        metadata["annotations"] = template["metadata"].get("annotations", {})
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        made = self.plane.kubectl("create", "-n", self.namespace, "-f", "-", "-o", "json", stdin=json.dumps(pod))
        return json.loads(made)

    def _pod_spec(self) -> dict:
        return self._template()["spec"]

    def _template(self) -> dict:
        named = ["-n", self.namespace, f"--field-selector=metadata.name={self.name}", "-o", "json"]
        (found,) = json.loads(self.plane.kubectl("get", "deployments,cronjobs", *named))["items"]
        return found["spec"].get("jobTemplate", found)["spec"]["template"]

    def _helm(self, *args: str, values: Values | None = None) -> str:
        return run_helm(*args, f"--namespace={self.namespace}", values=values, kubeconfig=self.plane.kubeconfig)
