# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory of a cluster's custom resources: a host stands for AWS identities, their resources are a variable.

What always holds: no key is in the inventory, only references; and no text of a resource is ever a
template. From ansible-core 2.19 on, Ansible takes a string for a template only when its source vouches for
it, which an inventory plugin does not unless it says C(trusted_by_default); wrap_var marks what comes from a
resource all the same, because requires_ansible is only a warning to an older one.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: pull_secrets
short_description: Custom resources that ask for ECR pull secrets, grouped by AWS identity
version_added: 1.0.0
description:
  - Reads the C(AWSECRImagePullSecret) and C(ClusterAWSECRImagePullSecret) resources of a cluster, and those of the
    deprecated C(AWSECRCredential) where there are any.
  - The hosts of the group C(aws_identities) are C(aws-identities-1) and so on. Each stands for up to 25 AWS identities
    (credentials, assumed role and endpoint) that the resources use. Its variable C(pull_secrets) lists the resources of
    these identities, with their references, their targets and what already exists for them in the cluster. Its variable
    C(aws_logins) lists for each identity the logins that need new tokens. If none is due, AWS need not be called.
  - No key is in the inventory. C(aws_logins) names the resource that says how to reach AWS. The module
    M(kube_ecr.secrets.ecr_reconcile) resolves that when it is needed.
  - Resources that cannot be served as they are written are on a host C(invalid), each with its C(error). Resources that
    are being deleted and need a cleanup are on a host C(absent).
  - Several inventory files in one run, of several clusters, say, have hosts of their own. Names that an earlier file
    took get a higher number, or one at the end, such as C(invalid-2).
  - An inventory file that cannot be read, or has a filter that picks nothing, makes a host C(inventory-error), for
    which M(kube_ecr.secrets.ecr_reconcile) fails with the cause. Ansible itself would only print a warning.
  - To read the inventory, use C(ansible-inventory --graph) and C(--host). Never use the output of C(ansible-inventory),
    C(--list --yaml), say, as an inventory. It may have lost the marks that keep text of resources from being templates.
  - Resources with C(spec.suspend) are left out; C(-v) shows their names. For the playbook C(kube_ecr.secrets.cleanup)
    they are in the group C(suspended_pull_secrets), for which M(kube_ecr.secrets.ecr_reconcile) writes nothing.
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
        V(ClusterAWSECRImagePullSecret/name). An empty list counts as not set.
      - If a name is that of no resource, the run fails, after the others are served.
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
      - The path of a FIFO. If set, the inventory is empty at first, and the plugin imports what plays will need. Each
        time that a play refreshes it (with C(refresh_inventory) of M(ansible.builtin.meta)), the plugin waits until
        something is written into the FIFO. Then it reads O(names_file) and the cluster.
      - The runner uses this to start C(ansible-playbook) ahead of need, and to use it more than once.
    type: path
  namespaces:
    description:
      - Only namespaced resources in these namespaces, and no cluster resources.
      - If set, nothing outside these namespaces is read. So a C(Role) in each of them is enough. An empty list counts
        as not set.
      - If one of them holds no resource, the run fails, after the others are served.
    type: list
    elements: str
    default: []
    env:
      - name: KUBE_ECR_NAMESPACES
  label_selector:
    description:
      - Only resources with these labels, in the syntax of C(kubectl -l). If it picks none, the run fails.
    type: str
    env:
      - name: KUBE_ECR_SELECTOR
  aws_endpoint_url:
    description:
      - An endpoint other than AWS' own, such as LocalStack, for every resource and for ECR and STS.
      - For STS and the identity of the person who runs the playbook, E(AWS_ENDPOINT_URL_STS) goes before it, if set.
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
  renew_early:
    description:
      - Whether a token is renewed after a quarter of its life, and not after half of it. A run does not know when the
        next one comes. What it leaves has three quarters of its life, nine hours, to come. So with runs that are four
        hours apart or less, a token outlives one that fails.
      - The runner that keeps running knows when each token is due, and sets this to false.
    type: bool
    default: true
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
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import NoReturn, TypeVar

from ansible import constants, context
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.path import unfrackpath
from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.identity import CredentialsError, Identity
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.client import Cluster, connect, load_ahead
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract import filters, reasons
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.api_server import NAMESPACE_FILE
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.errors import unforeseen
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import Item
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.resource import namespace_in, reference
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.runtime import missing_libraries
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory import resources as sources
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.hosts import (
    GROUP,
    SUSPENDED_GROUP,
    UNREAD,
    Host,
    free_name,
    hosts_of,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.identities import Settings, resolve_all
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.item import (
    finalizer_error,
    injects,
    item_of,
    needs_namespaces,
    superseded,
    with_error,
    without_policy,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.observe import namespaces_of, observe
from ansible_collections.kube_ecr.secrets.plugins.plugin_utils import _standby
from ansible_collections.kube_ecr.secrets.plugins.plugin_utils._sources import PLUGIN, SUFFIXES, trouble_of
from ansible_collections.kube_ecr.secrets.plugins.plugin_utils._texts import check_texts

# Of so few resources each is read for itself: a list of all in a large cluster would take longer.
MAX_READS = 10

# A host is no machine: what group_vars/all says of how servers are reached is not for it, and may make no sense here.
# Of variables that mean the same, Ansible looks for ansible_ssh_* first.
_HERE = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "ansible_shell_type": "sh",
    "ansible_become": False,
    "ansible_become_method": "sudo",
    "ansible_ssh_host": None,
    "ansible_ssh_port": None,
    "ansible_ssh_user": None,
}

T = TypeVar("T")


class InventoryModule(BaseInventoryPlugin):
    """See DOCUMENTATION."""

    NAME = PLUGIN

    def verify_file(self, path):
        """Take any YAML file: its C(plugin) key, not its name, says that it is ours."""
        return super().verify_file(path) and path.endswith(SUFFIXES)

    def parse(self, inventory, loader, path, cache=True):
        """Fill the inventory; AnsibleParserError when the cluster cannot be read.

        Ansible makes a warning of the error, and plays find no host, which is no failure to it. So there is a host in
        its place, for which ecr_reconcile fails with the cause.
        """
        super().parse(inventory, loader, path, cache)
        self._path = path
        self._errors: list[str] = []
        try:
            config = self._read_config_data(path)
            self._add_groups()
            self._read(config)
            self._look_at_others()
        except AnsibleError as error:
            self._fail(error.message)
        except Exception as error:  # noqa: BLE001 - Ansible makes a warning of it, and it could quote a secret
            self._fail(unforeseen(error))

    def _add_groups(self) -> None:
        for group in (GROUP, SUSPENDED_GROUP):
            self.inventory.add_group(group)
            # Ansible itself does so only when an inventory was read.
            self.inventory.add_child("all", group)

    def _fail(self, cause: str) -> NoReturn:
        cause = cause if self._path in cause else f"{self._path}: {cause}"
        # The runner looks for the error itself.
        if self._is_ours() and not _standby.has_begun():
            self._add_groups()
            self._add_error(cause)
        raise AnsibleParserError(cause) from None

    def _look_at_others(self) -> None:
        """See to it that an inventory file beside this one is missed if Ansible does not come to ask this plugin."""
        others = (unfrackpath(source, follow=False) for source in context.CLIARGS.get("inventory") or ())
        for other in others:
            trouble = other != self._path and trouble_of(other, constants.INVENTORY_ENABLED)
            if trouble:
                self._add_error(f"{other}: {trouble}")

    def _is_ours(self) -> bool:
        """Return whether the file is for this plugin: where a user enabled it by name, it is asked about any file."""
        try:
            config = self.loader.load_from_file(self._path, cache="none")
        except AnsibleError:
            return False
        return isinstance(config, dict) and config.get("plugin") == self.NAME

    def _read(self, config: dict) -> None:
        self._refuse_unknown_options(config)
        self._refuse_numbers(config)
        missing = missing_libraries(("kubernetes",))
        if missing:
            raise AnsibleParserError(missing)
        load_ahead(self._connection())
        fifo = self.get_option("wait_for")
        if fifo and _standby.begin():
            return
        if fifo:
            self._wait(fifo)
        try:
            self._populate(connect(self._connection()))
        except KubernetesError as error:
            cause = f"cannot read the custom resources: {error}"
            if fifo:
                # ansible-core makes a warning of what is raised here, and an error that names no cause; the runner
                # tells the first error.
                self.display.error(cause)
            raise AnsibleParserError(cause) from None

    def _refuse_unknown_options(self, config: dict) -> None:
        """With C(name) for C(names), a file would otherwise pick every resource of the cluster."""
        known = self.get_options()
        unknown = sorted(str(name) for name in config if name not in known)
        if unknown:
            raise AnsibleParserError(f"unknown option {unknown[0]!r}; the options are {', '.join(sorted(known))}")

    def _refuse_numbers(self, config: dict) -> None:
        try:
            check_texts(self.option_definitions, config)
        except ValueError as error:
            raise AnsibleParserError(str(error)) from None

    def _wait(self, fifo: str) -> None:
        try:
            _standby.wait(fifo)
        except _standby.NobodyWaits:
            raise AnsibleParserError(f"{fifo}: the process has ended that was to write into it") from None
        except OSError as error:
            raise AnsibleParserError(f"{fifo}: cannot be read: {error.strerror}") from None

    def _filter(self, option: str, parse: Callable[[str], T]) -> T:
        """Return what an option, or its variable, says; AnsibleParserError naming it if it can pick nothing."""
        value = self.get_option(option) or ""
        try:
            return parse(value if isinstance(value, str) else ",".join(value))
        except ValueError as error:
            raise AnsibleParserError(f"{option}: {error}") from None

    def _names_to_serve(self) -> list[str]:
        path = self.get_option("names_file")
        if not path:
            return list(self._filter("names", filters.names_of))
        try:
            names = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            names = None
        # An empty list would pick every resource.
        if not isinstance(names, list) or not names or not all(map(sources.is_reference, names)):
            raise AnsibleParserError(f"{path}: must hold a JSON list of names with their kinds, with one at least")
        return names

    def _connection(self) -> dict:
        options = {name: self.get_option(name) for name in ("kubeconfig", "context")}
        return {name: value for name, value in options.items() if value}

    def _namespaces(self, names: list[str]) -> list[str]:
        """Return the namespaces to look into, none for all: of a shard, those that a run is for."""
        namespaces = set(self._filter("namespaces", filters.namespaces_of))
        if namespaces and self.get_option("names_file"):
            namespaces &= {namespace_in(name) for name in names}
        return sorted(namespaces)

    def _populate(self, cluster: Cluster) -> None:
        names = self._names_to_serve()
        namespaces = self._namespaces(names)
        selector = self._filter("label_selector", filters.selector_of)
        if self.get_option("names_file") and len(names) <= MAX_READS:
            listed = list(sources.named(cluster, names))
        else:
            listed = sources.listed(cluster, namespaces, selector)
        if not self.get_option("names_file"):
            self._tell_what_is_missing(listed, names, namespaces, selector)
        resources = sources.selected(listed, names, namespaces)
        items = self._items(cluster, resources)
        identities = self._identities(cluster, resources, items)
        items = [_identified(item, identities.get(item.owner.uid)) for item in items]
        self._show_suspended(items)
        # Of one that has a successor nothing has to be corrected any more.
        items = [
            replace(item, error=superseded(resource, listed) or item.error) for resource, item in zip(resources, items)
        ]
        items = self._warned(cluster, resources, items)
        served = sources.served(resources)
        observed = observe(cluster, items, datetime.now(timezone.utc), namespaces, served)
        items = [replace(item, observed=found) for item, found in zip(items, observed)]
        usable = {uid: identity for uid, identity in identities.items() if isinstance(identity, Identity)}
        for host in hosts_of(items, usable):
            self._add_host(host, self._variables(host))

    def _tell_what_is_missing(self, listed: list[dict], names: list[str], namespaces: list[str], selector: str) -> None:
        missing = filters.unpicked(map(reference, listed), names, namespaces, selector)
        if missing:
            self._add_error(f"{self._path}: {missing}")
        elif not listed:
            self.display.warning(f"{self._path}: there are no custom resources in the cluster")

    def _items(self, cluster: Cluster, resources: list[dict]) -> list[Item]:
        """A list of names needs no right to list namespaces."""
        existing: Mapping[str, Mapping[str, str]] | None = None
        unlisted: KubernetesError | None = None
        if any(map(needs_namespaces, resources)):
            try:
                existing = namespaces_of(cluster)
            except KubernetesError as error:
                unlisted = error
        items = []
        for resource in resources:
            item = replace(item_of(resource, existing), is_pass=self.get_option("renew_early"))
            trouble = finalizer_error(item, self._own_namespace())
            if trouble:
                item = with_error(replace(item, namespaces=None), reasons.INVALID_RESOURCE, str(trouble))
            if unlisted and needs_namespaces(resource):
                item = with_error(item, unlisted.reason, str(unlisted))
            items.append(item)
        return items

    def _warned(self, cluster: Cluster, resources: list[dict], items: list[Item]) -> list[Item]:
        """Return the items, with a warning where spec.podInjection has no effect. It costs a look if one has it."""
        if not any(map(injects, resources)):
            return items
        kinds = cluster.injecting_kinds()
        if kinds is None:
            return items
        warned = [
            without_policy(item) if injects(resource) and resource["kind"] not in kinds else item
            for resource, item in zip(resources, items)
        ]
        for item in warned:
            if item.warning:
                self.display.warning(f"{item.reference}: {item.warning.message}")
        return warned

    def _identities(
        self, cluster: Cluster, resources: list[dict], items: list[Item]
    ) -> dict[str, Identity | Exception]:
        """Return the identities of resources, or why there is none, by UID: what is suspended needs none."""
        settings = Settings(self._allowed(), self.get_option("aws_endpoint_url"))
        served = [(resource, item) for resource, item in zip(resources, items) if item.region and not item.suspended]
        resolved = resolve_all(cluster, [(resource, item.region) for resource, item in served], settings)
        return {item.owner.uid: identity for (_resource, item), identity in zip(served, resolved)}

    def _allowed(self) -> tuple[str, ...]:
        return self._filter("allowed_aws_identities", filters.identities_of)

    def _show_suspended(self, items: list[Item]) -> None:
        names = [item.reference for item in items if item.suspended]
        if names:
            self.display.v(f"{SUSPENDED_GROUP}: nothing is done for {', '.join(names)} (spec.suspend)")

    def _own_namespace(self) -> str:
        """Return the namespace that this runs in, if it runs in a pod."""
        return self.get_option("own_namespace") or (
            Path(NAMESPACE_FILE).read_text(encoding="ascii").strip() if Path(NAMESPACE_FILE).exists() else ""
        )

    def _add_error(self, cause: str) -> None:
        self._errors.append(cause)
        self.display.warning(cause)
        self._add_host(Host(UNREAD, ()), {"inventory_error": wrap_var("; ".join(self._errors))})

    def _variables(self, host: Host) -> dict[str, object]:
        return {
            "kubernetes_connection": self._connection(),
            "pull_secrets": wrap_var([item.as_dict() for item in host.items]),
            "aws_logins": wrap_var([order.as_dict() for order in host.logins]),
            "aws_endpoint_url": self.get_option("aws_endpoint_url"),
            "allowed_aws_identities": list(self._allowed()),
        }

    def _add_host(self, host: Host, variables: Mapping[str, object]) -> None:
        name = self.inventory.add_host(free_name(host.name, self._is_taken), group=host.group)
        # For plays of a user that go through what a host serves, there is always a list.
        for variable, value in {**_HERE, "pull_secrets": [], **variables}.items():
            self.inventory.set_variable(name, variable, value)

    def _is_taken(self, name: str) -> bool:
        """Return whether another inventory file has a host of that name; Ansible notes which file a host is of."""
        host = self.inventory.hosts.get(name)
        return host is not None and host.vars.get("inventory_file") != self._path


def _identified(item: Item, identity: Identity | Exception | None) -> Item:
    """Return an item with its identity, salted with the resource's UID, to be compared over the years."""
    if isinstance(identity, Identity):
        return replace(item, identity=identity.digest(item.owner.uid.encode()))
    if isinstance(identity, (CredentialsError, KubernetesError)):
        return with_error(item, identity.reason, str(identity))
    return with_error(item, reasons.INVALID_RESOURCE, str(identity)) if identity else item
