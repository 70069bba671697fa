# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory of a cluster's custom resources: a host is an AWS identity, its resources are a variable.

What always holds: no key is in the inventory, only references; and no text of a resource is ever a
template. From ansible-core 2.19 on, Ansible takes a string for a template only when its source vouches for
it, which an inventory plugin does not unless it says C(trusted_by_default); wrap_var marks what comes from a
resource all the same, because requires_ansible is only a warning to an older one.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: pull_secrets
short_description: Custom resources that ask for ECR pull secrets, grouped by AWS identity
version_added: 0.1.0
description:
  - Reads the C(AWSECRImagePullSecret) and C(ClusterAWSECRImagePullSecret) resources of a cluster, and those of the
    deprecated C(AWSECRCredential) where there are any.
  - Each AWS identity (credentials, assumed role and endpoint) that they use becomes a host of the group
    C(aws_identities). Its variable C(pull_secrets) lists the resources of that identity, with their references, their
    targets and what already exists for them in the cluster. Its variable C(aws_registries) lists the logins that need
    new tokens, as M(kube_ecr.secrets.ecr_token) takes them. If none is due, AWS need not be called.
  - No key is in the inventory. The variable C(aws_credentials) of a host is a reference that the lookup plugin
    P(kube_ecr.secrets.aws_credentials#lookup) resolves when it is needed. A host name consists of the kind of identity
    (C(keys), C(service-account) or C(own)) and a salted digest, so names change from run to run.
  - Resources that cannot be served as they are written are on a host C(invalid), each with its C(error). Resources that
    are being deleted and need a cleanup are on a host C(absent).
  - Resources with C(spec.suspend) are left out; C(-v) shows their names. For the playbook C(kube_ecr.secrets.cleanup)
    they are in the group C(suspended_pull_secrets), for which M(kube_ecr.secrets.ecr_pull_secret) writes nothing.
  - The playbook C(kube_ecr.secrets.reconcile) is made for this inventory.
author:
  - kube_ecr.secrets contributors (@kube-ecr)
extends_documentation_fragment:
  - kube_ecr.secrets.cluster
options:
  plugin:
    description: Says that the file is for this plugin.
    required: true
    choices: [kube_ecr.secrets.pull_secrets]
  names:
    description:
      - Only resources with these names, each as V(name), V(namespace/name), V(AWSECRImagePullSecret/namespace/name) or
        V(ClusterAWSECRImagePullSecret/name).
    type: list
    elements: str
    default: []
    env:
      - name: KUBE_ECR_NAMES
  names_file:
    description:
      - Like O(names), from a file with a JSON list.
      - Here each name has to be V(AWSECRImagePullSecret/namespace/name) or V(ClusterAWSECRImagePullSecret/name).
    type: path
  wait_for:
    description:
      - The path of a FIFO. If set, the plugin imports what the play will need, and waits until something is written
        into the FIFO. Then it reads O(names_file) and the cluster.
      - The runner uses this to start C(ansible-playbook) ahead of need.
    type: path
  namespaces:
    description:
      - Only namespaced resources in these namespaces, and no cluster resources.
      - If set, nothing outside these namespaces is read. So a C(Role) in each of them is enough.
    type: list
    elements: str
    default: []
    env:
      - name: KUBE_ECR_NAMESPACES
  label_selector:
    description: Only resources with these labels, in the syntax of C(kubectl -l).
    type: str
    env:
      - name: KUBE_ECR_LABEL_SELECTOR
  aws_endpoint_url:
    description: An endpoint other than AWS' own, such as LocalStack, for every resource and for ECR and STS.
    type: str
    env:
      - name: KUBE_ECR_AWS_ENDPOINT_URL
  allowed_aws_identities:
    description:
      - Which AWS identities of the person who runs the playbook namespaced resources may use. By default they may use
        none. Cluster resources may use all of them, since only administrators write these.
      - An entry is V(runner) for the identity itself, or the ARN of a role that may be assumed from it. C(*) stands for
        any characters.
      - The annotation C(aws.zakariaamine.com/allowed-aws-identities) of a Namespace allows more for this namespace. Its
        entries have the same form and are separated by commas.
    type: list
    elements: str
    default: []
    env:
      - name: KUBE_ECR_ALLOWED_AWS_IDENTITIES
  own_namespace:
    description:
      - The namespace of the runner. A namespaced resource there is refused if it would need a finalizer. Otherwise the
        finalizer would stay behind when the namespace is deleted together with the runner.
      - If not set, the namespace of the pod in which the plugin runs, if any.
    type: str
    env:
      - name: KUBE_ECR_OWN_NAMESPACE
"""

EXAMPLES = r"""
# ecr.yml: every resource of the cluster; run it with
#   ansible-playbook -i ecr.yml kube_ecr.secrets.reconcile
---
plugin: kube_ecr.secrets.pull_secrets

# Namespaced resources may assume some roles from the identity of this machine
---
plugin: kube_ecr.secrets.pull_secrets
allowed_aws_identities: ["arn:aws:iam::111122223333:role/ecr-pull-*"]

# Only some of them, in another cluster
---
plugin: kube_ecr.secrets.pull_secrets
context: staging
names: [team-a/ecr, ClusterAWSECRImagePullSecret/shared]
label_selector: tier=production
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.kube_ecr.secrets.plugins.module_utils import (
    _credentials,
    _items,
    _resources,
    _survey,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._identity import CredentialsError, Identity
from ansible_collections.kube_ecr.secrets.plugins.module_utils._kube import Cluster, KubernetesError, connect
from ansible_collections.kube_ecr.secrets.plugins.module_utils._module import missing_libraries
from ansible_collections.kube_ecr.secrets.plugins.plugin_utils import _standby

GROUP = "aws_identities"
INVALID = "invalid"
ABSENT = "absent"
SUSPENDED = "suspended"
SUSPENDED_GROUP = "suspended_pull_secrets"
# https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
# Of so few resources each is read for itself: a list of all in a large cluster would take longer.
MAX_READS = 10
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class InventoryModule(BaseInventoryPlugin):
    """See DOCUMENTATION."""

    NAME = "kube_ecr.secrets.pull_secrets"

    def verify_file(self, path):
        """Take any YAML file: its C(plugin) key, not its name, says that it is ours."""
        return super().verify_file(path) and path.endswith((".yml", ".yaml"))

    def parse(self, inventory, loader, path, cache=True):
        """Fill the inventory; AnsibleParserError when the cluster cannot be read."""
        super().parse(inventory, loader, path, cache)
        self._refuse_unknown_options(self._read_config_data(path))
        missing = missing_libraries(("kubernetes",))
        if missing:
            raise AnsibleParserError(missing)
        self._stand_by()
        try:
            self._populate(connect(self._connection()))
        except KubernetesError as error:
            cause = f"cannot read the custom resources: {error}"
            if self.get_option("wait_for"):
                # ansible-core makes a warning of what is raised here, and an error that names no cause; the runner
                # tells the first error.
                self.display.error(cause)
            raise AnsibleParserError(f"{path}: {cause}") from None

    def _refuse_unknown_options(self, config: dict) -> None:
        """With C(name) for C(names), a file would otherwise pick every resource of the cluster."""
        known = self.get_options()
        unknown = sorted(str(name) for name in config if name not in known)
        if unknown:
            raise AnsibleParserError(f"unknown option {unknown[0]!r}; the options are {', '.join(sorted(known))}")

    def _stand_by(self) -> None:
        fifo = self.get_option("wait_for")
        if not fifo:
            return
        try:
            _standby.stand_by(fifo)
        except _standby.NobodyWaits:
            raise AnsibleParserError(f"{fifo}: the process has ended that was to write into it") from None
        except OSError as error:
            raise AnsibleParserError(f"{fifo}: cannot be read: {error.strerror}") from None

    def _names(self) -> list[str]:
        path = self.get_option("names_file")
        if not path:
            return self.get_option("names")
        try:
            names = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            names = None
        # An empty list would pick every resource.
        if not isinstance(names, list) or not names or not all(map(_is_reference, names)):
            raise AnsibleParserError(f"{path}: must hold a JSON list of names with their kinds, with one at least")
        return names

    def _connection(self) -> dict:
        options = {name: self.get_option(name) for name in ("kubeconfig", "context")}
        return {name: value for name, value in options.items() if value}

    def _namespaces(self, names: list[str]) -> list[str]:
        """Return the namespaces to look into, none for all: of a shard, those that a run is for."""
        namespaces = set(self.get_option("namespaces"))
        if namespaces and self.get_option("names_file"):
            namespaces &= {_resources.namespace_in(each) for each in names}
        return sorted(namespaces)

    def _selected(self, resources: list[dict], names: list[str], namespaces: list[str]) -> list[dict]:
        selected = [each for each in resources if _resources.is_selected(each, names, namespaces)]
        return sorted((each for each in selected if not _is_gone(each)), key=_resources.reference)

    def _populate(self, cluster: Cluster) -> None:
        for group in (GROUP, SUSPENDED_GROUP):
            self.inventory.add_group(group)
        selector = self.get_option("label_selector")
        names = self._names()
        namespaces = self._namespaces(names)
        if self.get_option("names_file") and len(names) <= MAX_READS:
            listed = list(_named(cluster, names))
        else:
            listed = [each for kind in _resources.KINDS for each in _listed(cluster, kind, namespaces, selector)]
        resources = self._selected(listed, names, namespaces)
        settings = _credentials.Settings(
            tuple(self.get_option("allowed_aws_identities")), self.get_option("aws_endpoint_url")
        )
        existing = _existing(cluster, resources)
        active = [each for each in resources if not _resources.is_suspended(each)]
        identities = dict(zip(map(_uid, active), _credentials.identities(cluster, active, settings)))
        items = [_told(each, identities.get(_uid(each)), existing, self._own_namespace()) for each in resources]
        self._tell_suspended(items)
        for resource, told in zip(resources, items):
            told["error"] = told["error"] or _items.superseded(resource, listed)
        _survey.complete(cluster, items, datetime.now(timezone.utc), namespaces)
        for told in items:
            told["connection"] = self._connection()
        salt = secrets.token_bytes(16)
        hosts: dict[str, list[dict]] = {}
        regions: dict[str, str] = {}
        for resource, told in zip(resources, items):
            host = _host_of(told) or identities[_uid(resource)].label(salt)
            hosts.setdefault(host, []).append(told)
            if not _host_of(told):
                regions.setdefault(host, _resources.spec_of(resource)["awsAccess"]["region"])
        for host, pull_secrets in hosts.items():
            self._add_host(host, pull_secrets, regions.get(host))

    def _tell_suspended(self, items: list[dict]) -> None:
        names = [each["reference"] for each in items if each["suspended"]]
        if names:
            self.display.v(f"{SUSPENDED_GROUP}: nothing is done for {', '.join(names)} (spec.suspend)")

    def _own_namespace(self) -> str:
        """Return the namespace that this runs in, if it runs in a pod."""
        return self.get_option("own_namespace") or (
            _NAMESPACE_FILE.read_text(encoding="ascii").strip() if _NAMESPACE_FILE.exists() else ""
        )

    def _add_host(self, host: str, pull_secrets: list[dict], region: str | None) -> None:
        """Any resource of an identity can stand for it: the first is where its credentials are looked up."""
        self.inventory.add_host(host, group=SUSPENDED_GROUP if host == SUSPENDED else GROUP)
        due = [each for each in pull_secrets if each["due"]]
        variables = {
            "ansible_connection": "local",
            "kubernetes_connection": self._connection(),
            "pull_secrets": wrap_var(pull_secrets),
        }
        if region and due:
            variables["aws_region"] = region
            variables["aws_registries"] = wrap_var(sorted({entry for each in due for entry in each["registries"]}))
            variables["aws_endpoint_url"] = self.get_option("aws_endpoint_url")
            variables["aws_credentials"] = wrap_var(pull_secrets[0]["owner"])
            variables["allowed_aws_identities"] = self.get_option("allowed_aws_identities")
        for name, value in variables.items():
            self.inventory.set_variable(host, name, value)


def _is_reference(name: object) -> bool:
    return isinstance(name, str) and name.partition("/")[0] in _resources.KINDS and name.count("/") in (1, 2)


def _named(cluster: Cluster, references: list[str]) -> Iterator[dict]:
    """Yield the resources of these references that are there, and what may have taken the place of a legacy one."""
    wanted = {tuple(each.split("/")): None for each in references}
    for kind, *where, name in list(wanted):
        if kind == _resources.LEGACY_KIND:
            wanted.setdefault((_resources.CLUSTER_KIND, *where, name))
    for kind, *where, name in wanted:
        try:
            yield cluster.read_resource(kind, *(where or [""]), name)
        except KubernetesError as error:
            if error.status != 404:
                raise


def _listed(cluster: Cluster, kind: str, namespaces: list[str], label_selector: str | None) -> list[dict]:
    """Only who comes from kube-ecr-secrets-operator has the legacy kind; in namespaces there is but one kind."""
    if namespaces:
        within = namespaces if kind == _resources.NAMESPACED_KIND else []
        return [each for namespace in within for each in cluster.list_resources(kind, label_selector, namespace)]
    try:
        return list(cluster.list_resources(kind, label_selector))
    except KubernetesError as error:
        if kind == _resources.LEGACY_KIND and error.status in (403, 404):
            return []
        raise


def _uid(resource: dict) -> str:
    return resource["metadata"]["uid"]


def _host_of(told: dict) -> str | None:
    """Return the host of what no AWS identity serves, None for the rest."""
    if told["suspended"]:
        return SUSPENDED
    return ABSENT if told["state"] == "absent" else INVALID if told["error"] else None


def _is_gone(resource: dict) -> bool:
    """Kubernetes itself sees to the rest of a resource that is being deleted with nothing for us to undo."""
    metadata = resource["metadata"]
    return "deletionTimestamp" in metadata and _resources.FINALIZER not in metadata.get("finalizers", ())


def _existing(cluster: Cluster, resources: list[dict]) -> Mapping[str, Mapping[str, str]] | KubernetesError | None:
    """A list of names needs no right to list namespaces."""
    if not any(map(_items.needs_namespaces, resources)):
        return None
    try:
        return _survey.namespaces(cluster)
    except KubernetesError as error:
        return error


def _told(
    resource: dict,
    identity: Identity | Exception | None,
    existing: Mapping[str, Mapping[str, str]] | KubernetesError | None,
    own_namespace: str,
) -> dict:
    """Return what the play is told; the identity is salted with the resource's UID, to be compared over the years.

    It is None for what is suspended, which needs none.
    """
    unlisted = existing if isinstance(existing, KubernetesError) and _items.needs_namespaces(resource) else None
    told = _items.item(resource, None if isinstance(existing, KubernetesError) else existing)
    trouble = _items.finalizer_trouble(told, own_namespace)
    if trouble:
        told["namespaces"] = None
    error = trouble or unlisted
    if isinstance(identity, Identity):
        told["identity"] = identity.digest(told["owner"]["uid"].encode())
    else:
        error = error or identity
    if error and not told["error"]:
        told["error"] = {"reason": _reason(error), "msg": str(error)}
    return told


def _reason(error: Exception) -> str:
    is_named = isinstance(error, (CredentialsError, KubernetesError))
    return error.reason if is_named else "InvalidResource"
