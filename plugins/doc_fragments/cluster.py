# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options with which inventory plugins select a cluster; modules have those of k8s_auth.py."""

from __future__ import annotations


class ModuleDocFragment:
    """The options and their requirements."""

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
  - kubernetes >= 31, but not 36.0.0 and 36.0.1, which send no token, and not 37.0.2
notes:
  - Other authentication settings for the cluster (tokens, client certificates, impersonation) are read from the
    variables C(K8S_AUTH_*) that M(kube_ecr.secrets.ecr_pull_secret) documents. So no secret has to be in an inventory
    file.
"""
