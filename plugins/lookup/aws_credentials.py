# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a reference to AWS credentials, in the worker process that needs them and in its memory only."""

from __future__ import annotations

DOCUMENTATION = r"""
name: aws_credentials
short_description: AWS credentials that a custom resource refers to
version_added: 0.1.0
description:
  - Reads a custom resource and returns the AWS credentials that it uses, for the options of
    M(kube_ecr.secrets.ecr_token).
  - Use it inside a task with C(no_log=true), never in C(vars) that other tasks or callbacks can see.
author:
  - kube_ecr.secrets contributors (@kube-ecr)
extends_documentation_fragment:
  - kube_ecr.secrets.cluster
options:
  _terms:
    description:
      - References as the inventory plugin P(kube_ecr.secrets.pull_secrets#inventory) makes them, dictionaries with
        C(kind), C(namespace) (empty for the cluster kind), C(name) and C(uid).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Get a token for the identity of this host
  kube_ecr.secrets.ecr_token:
    region: "{{ aws_region }}"
    access_key: "{{ credentials.access_key }}"
    secret_key: "{{ credentials.secret_key }}"
  vars:
    credentials: "{{ lookup('kube_ecr.secrets.aws_credentials', aws_credentials) }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description: For each term the credentials, as options of M(kube_ecr.secrets.ecr_token).
  type: list
  elements: dict
  contains:
    access_key:
      description: The access key ID.
      type: str
    secret_key:
      description: The secret access key.
      type: str
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.kube_ecr.secrets.plugins.module_utils import _resources
from ansible_collections.kube_ecr.secrets.plugins.module_utils._kube import Cluster, KubernetesError, connect


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms, variables=None, **kwargs):
        """Return the credentials of each term; AnsibleLookupError, without any key, when there are none."""
        self.set_options(var_options=variables, direct=kwargs)
        options = {name: self.get_option(name) for name in ("kubeconfig", "context")}
        try:
            cluster = connect({name: value for name, value in options.items() if value})
            return [_credentials(cluster, term) for term in terms]
        except (KubernetesError, _resources.ResourceError) as error:
            raise AnsibleLookupError(str(error)) from None


def _credentials(cluster: Cluster, term: dict) -> dict:
    resource = cluster.read_resource(_resources.PLURALS[term["kind"]], term["namespace"], term["name"])
    if resource["metadata"]["uid"] != term["uid"]:
        raise AnsibleLookupError(f"{_resources.reference(resource)} was deleted and made again; run again")
    identity = _resources.identity(resource)
    return {"access_key": identity.access_key, "secret_key": identity.secret_key}
