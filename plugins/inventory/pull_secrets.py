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
  - Reads the C(AWSECRImagePullSecret) and C(ClusterAWSECRImagePullSecret) resources of a cluster.
  - Each AWS identity (credentials, assumed role and endpoint) that they use becomes a host of the group
    C(aws_identities). Its variable C(pull_secrets) lists the resources that it serves, as references and targets, and
    C(aws_registries) the logins that these need together, as M(kube_ecr.secrets.ecr_token) takes them.
  - No key is in the inventory. The variable C(aws_credentials) of a host is a reference that the lookup plugin
    P(kube_ecr.secrets.aws_credentials#lookup) resolves when it is needed. Hosts are named by the kind of identity
    (C(keys), C(service-account) or C(own)) and a salted digest, so names change from run to run.
  - Resources that cannot be served as they stand are on a host C(invalid), each with its C(error).
  - The playbook C(kube_ecr.secrets.reconcile) is made for this inventory.
author:
  - kube_ecr.secrets contributors (@kube-ecr)
extends_documentation_fragment:
  - kube_ecr.secrets.cluster
options:
  plugin:
    description: Marks the file as one for this plugin.
    required: true
    choices: [kube_ecr.secrets.pull_secrets]
  names:
    description:
      - Only resources of these names, each as V(name), V(namespace/name), V(AWSECRImagePullSecret/namespace/name) or
        V(ClusterAWSECRImagePullSecret/name).
    type: list
    elements: str
    default: []
    env:
      - name: KUBE_ECR_NAMES
  namespaces:
    description: Only namespaced resources of these namespaces (then no cluster resource is picked).
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
    description: Another endpoint than that of AWS, such as LocalStack, for every resource and for ECR and STS alike.
    type: str
    env:
      - name: KUBE_ECR_AWS_ENDPOINT_URL
  allowed_aws_identities:
    description:
      - What namespaced resources may use of the AWS identity of whoever runs the playbook, which are otherwise refused
        it; cluster resources are the administrator's, and may use all of it.
      - Each entry is V(runner) for the identity as it is, or the ARN of a role that may be assumed from it; C(*)
        stands for any characters.
      - A single namespace is given more by the annotation C(aws.zakariaamine.com/allowed-aws-identities) of the
        Namespace, with entries of the same form between commas.
    type: list
    elements: str
    default: []
    env:
      - name: KUBE_ECR_ALLOWED_AWS_IDENTITIES
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

import secrets

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.kube_ecr.secrets.plugins.module_utils import _credentials, _resources
from ansible_collections.kube_ecr.secrets.plugins.module_utils._identity import CredentialsError, Identity
from ansible_collections.kube_ecr.secrets.plugins.module_utils._kube import Cluster, KubernetesError, connect
from ansible_collections.kube_ecr.secrets.plugins.module_utils._module import missing_libraries

GROUP = "aws_identities"
INVALID = "invalid"


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
        try:
            self._populate(connect(self._connection()))
        except KubernetesError as error:
            raise AnsibleParserError(f"{path}: cannot read the custom resources: {error}") from None

    def _refuse_unknown_options(self, config: dict) -> None:
        """With C(name) for C(names), a file would otherwise pick every resource of the cluster."""
        known = self.get_options()
        unknown = sorted(str(name) for name in config if name not in known)
        if unknown:
            raise AnsibleParserError(f"unknown option {unknown[0]!r}; the options are {', '.join(sorted(known))}")

    def _connection(self) -> dict:
        options = {name: self.get_option(name) for name in ("kubeconfig", "context")}
        return {name: value for name, value in options.items() if value}

    def _read_resources(self, cluster: Cluster) -> list[dict]:
        names, namespaces = self.get_option("names"), self.get_option("namespaces")
        resources = [
            resource
            for plural in _resources.PLURALS.values()
            for resource in cluster.list_resources(plural, self.get_option("label_selector"))
            if _resources.is_selected(resource, names, namespaces)
        ]
        return sorted(resources, key=_resources.reference)

    def _populate(self, cluster: Cluster) -> None:
        self.inventory.add_group(GROUP)
        resources = self._read_resources(cluster)
        settings = _credentials.Settings(
            tuple(self.get_option("allowed_aws_identities")), self.get_option("aws_endpoint_url")
        )
        salt = secrets.token_bytes(16)
        hosts: dict[str, list[dict]] = {}
        regions: dict[str, str] = {}
        for resource, identity in zip(resources, _credentials.identities(cluster, resources, settings)):
            told = _told(resource, identity)
            host = INVALID if told["error"] else identity.label(salt)
            hosts.setdefault(host, []).append(told)
            if host != INVALID:
                regions.setdefault(host, _resources.spec_of(resource)["awsAccess"]["region"])
        for host, pull_secrets in hosts.items():
            self._add_host(host, pull_secrets, regions.get(host))

    def _add_host(self, host: str, pull_secrets: list[dict], region: str | None) -> None:
        """Any resource of an identity can stand for it: the first is where its credentials are looked up."""
        self.inventory.add_host(host, group=GROUP)
        variables = {
            "ansible_connection": "local",
            "kubernetes_connection": self._connection(),
            "pull_secrets": wrap_var(pull_secrets),
        }
        if region:
            variables["aws_region"] = region
            variables["aws_registries"] = wrap_var(sorted({e for each in pull_secrets for e in each["registries"]}))
            variables["aws_endpoint_url"] = self.get_option("aws_endpoint_url")
            variables["aws_credentials"] = wrap_var(pull_secrets[0]["owner"])
            variables["allowed_aws_identities"] = self.get_option("allowed_aws_identities")
        for name, value in variables.items():
            self.inventory.set_variable(host, name, value)


def _told(resource: dict, identity: Identity | Exception) -> dict:
    """Return what the play is told; the identity is salted with the resource's UID, to be compared over the years."""
    told = _resources.item(resource)
    if isinstance(identity, Identity):
        told["identity"] = identity.digest(told["owner"]["uid"].encode())
    elif not told["error"]:
        told["error"] = {"reason": _reason(identity), "msg": str(identity)}
    return told


def _reason(error: Exception) -> str:
    is_named = isinstance(error, (CredentialsError, KubernetesError))
    return error.reason if is_named else "InvalidResource"
