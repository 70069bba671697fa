# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a reference to AWS credentials, in the worker process that needs them and in its memory only."""

from __future__ import annotations

DOCUMENTATION = r"""
name: aws_credentials
short_description: AWS credentials that a custom resource refers to
version_added: 0.1.0
description:
  - Reads a custom resource, and the Secret or service account that it refers to. Returns the AWS credentials of the
    resource as options of M(kube_ecr.secrets.ecr_token).
  - For a service account, it asks the API server for a token (C(TokenRequest)) that is valid for 10 minutes, and only
    for AWS STS.
  - If the resource uses the identity of the person who runs the playbook, only C(role_session_name) is returned, and
    C(role_arn) and C(external_id) if they are set.
  - Use it inside a task with C(no_log=true), never in C(vars) that other tasks or callbacks can see.
author:
  - kube_ecr.secrets contributors (@kube-ecr)
extends_documentation_fragment:
  - kube_ecr.secrets.cluster
options:
  _terms:
    description:
      - References that the inventory plugin P(kube_ecr.secrets.pull_secrets#inventory) returns. They are dictionaries
        with C(kind), C(namespace) (empty for the cluster kind), C(name), C(uid) and C(generation). A resource that was
        edited or replaced since then is refused.
    type: list
    elements: dict
    required: true
  allowed_aws_identities:
    description: The same as the option of P(kube_ecr.secrets.pull_secrets#inventory).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Get a token for the identity of this host
  kube_ecr.secrets.ecr_token:
    region: "{{ aws_region }}"
    credentials: "{{ lookup('kube_ecr.secrets.aws_credentials', aws_credentials) }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The credentials for each term, as options of M(kube_ecr.secrets.ecr_token); only those that it needs.
  type: list
  elements: dict
  contains:
    access_key:
      description: The access key ID.
      type: str
    secret_key:
      description: The secret access key.
      type: str
    session_token:
      description: The session token of temporary keys.
      type: str
    web_identity_token:
      description: A token of the service account.
      type: str
    web_identity_role_arn:
      description: The role that the service account assumes with this token.
      type: str
    role_arn:
      description: The role to assume on top of that.
      type: str
    external_id:
      description: The external ID for that role.
      type: str
    role_session_name:
      description: The name of the session, which contains the name of the resource.
      type: str
"""

import json
import os
from functools import lru_cache

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.identity import CredentialsError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.client import connect
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.errors import ResourceError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.resource import reference
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.identities import Settings, credentials


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms, variables=None, **kwargs):
        """Return the credentials of each term; AnsibleLookupError, without any key, when there are none."""
        self.set_options(var_options=variables, direct=kwargs)
        options = {name: self.get_option(name) for name in ("kubeconfig", "context")}
        connection = {name: value for name, value in options.items() if value}
        allowed = tuple(self.get_option("allowed_aws_identities"))
        try:
            return [_find(json.dumps([connection, term], sort_keys=True), allowed, os.getpid()) for term in terms]
        except (KubernetesError, CredentialsError, ResourceError) as error:
            raise AnsibleLookupError(str(error)) from None


@lru_cache(maxsize=16)
def _find(connection_and_term: str, allowed: tuple[str, ...], _pid: int) -> dict[str, str]:
    """Ansible evaluates a lookup anew for each option that uses it: without a memory, each would get a token.

    It ends with the worker process, which lives for one task of one host.
    """
    connection, term = json.loads(connection_and_term)
    cluster = connect(connection)
    resource = cluster.read_resource(term["kind"], term["namespace"], term["name"])
    metadata = resource["metadata"]
    if (metadata["uid"], metadata.get("generation", 0)) != (term["uid"], int(term["generation"])):
        raise AnsibleLookupError(f"{reference(resource)} was edited or made again meanwhile; run again")
    return credentials(cluster, resource, Settings(allowed))
