# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How plugins that are no modules name a cluster; modules have kubernetes.core's own fragment."""

from __future__ import annotations


class ModuleDocFragment:
    """Options, and what they need."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of the kubeconfig. If not set, the service account of the pod, E(KUBECONFIG) or C(~/.kube/config) is used.
    type: path
    env:
      - name: K8S_AUTH_KUBECONFIG
  context:
    description: The context of the kubeconfig.
    type: str
    env:
      - name: K8S_AUTH_CONTEXT
requirements:
  - python >= 3.9
  - kubernetes >= 31
notes:
  - Other ways to authenticate to the cluster (tokens, client certificates, impersonation) are taken from the variables
    C(K8S_AUTH_*) that C(kubernetes.core) documents, so that no secret stands in an inventory file.
"""
