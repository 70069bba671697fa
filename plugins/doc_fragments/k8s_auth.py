# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options with which modules reach the API server of a cluster.

They mean what those of kubernetes.core mean, and a test keeps them equal. They are described here all the same: where
documentation is read without the collections that ours depends on, as Galaxy does when it imports an artifact, a
module that extends a fragment of another collection has no documentation at all.
"""

from __future__ import annotations


class ModuleDocFragment:
    """The options of module_utils/_cluster/auth_options.py, with what they need."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of the kubeconfig, or its content as a dictionary. Several paths are separated by C(:).
      - If neither this nor O(context) nor O(host) with credentials is set, the service account of the pod is used or,
        outside of a pod, E(KUBECONFIG) or C(~/.kube/config).
      - If not set, E(K8S_AUTH_KUBECONFIG) is used.
    type: raw
  context:
    description:
      - The context of the kubeconfig. If not set, E(K8S_AUTH_CONTEXT) or else its current context is used.
    type: str
  host:
    description:
      - URL of the API server. If not set, E(K8S_AUTH_HOST) is used, and else that of the kubeconfig.
    type: str
  api_key:
    description:
      - A bearer token for the API server. If not set, E(K8S_AUTH_API_KEY) is used.
    type: str
  username:
    description:
      - A user name for HTTP basic authentication. If not set, E(K8S_AUTH_USERNAME) is used.
      - Kubernetes itself has not known this kind of authentication since version 1.19. A proxy in front of it may.
    type: str
  password:
    description:
      - The password that goes with O(username). If not set, E(K8S_AUTH_PASSWORD) is used.
    type: str
  client_cert:
    description:
      - A file with a client certificate. If not set, E(K8S_AUTH_CERT_FILE) is used.
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - A file with the key of O(client_cert). If not set, E(K8S_AUTH_KEY_FILE) is used.
    type: path
    aliases: [key_file]
  ca_cert:
    description:
      - A file with the certificates of the CA that issued the API server's certificate, as a complete chain. If not
        set, E(K8S_AUTH_SSL_CA_CERT) is used.
    type: path
    aliases: [ssl_ca_cert]
  validate_certs:
    description:
      - Whether the certificate of the API server is checked. If not set, E(K8S_AUTH_VERIFY_SSL) is used, and else what
        the kubeconfig says.
    type: bool
    aliases: [verify_ssl]
  proxy:
    description:
      - URL of an HTTP proxy on the way to the API server, for which E(NO_PROXY) does not count. If not set,
        E(K8S_AUTH_PROXY) is used, then what the kubeconfig says, then E(HTTPS_PROXY) or E(HTTP_PROXY).
    type: str
  no_proxy:
    description:
      - Hosts, domains and networks that are reached without a proxy, separated by commas, such as
        V(localhost,.local,10.0.0.0/8). If not set, E(K8S_AUTH_NO_PROXY) is used.
    type: str
  proxy_headers:
    description:
      - Headers for the proxy.
    type: dict
    suboptions:
      proxy_basic_auth:
        description:
          - USERNAME:PASSWORD, for basic authentication at the proxy. If not set,
            E(K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH) is used.
        type: str
      basic_auth:
        description:
          - USERNAME:PASSWORD, for the header C(Authorization). If not set, E(K8S_AUTH_PROXY_HEADERS_BASIC_AUTH) is
            used.
        type: str
      user_agent:
        description:
          - What the client calls itself. If not set, E(K8S_AUTH_PROXY_HEADERS_USER_AGENT) is used.
        type: str
  persist_config:
    description:
      - Whether tokens that were renewed with a refresh token are written back into the kubeconfig. If not set,
        E(K8S_AUTH_PERSIST_CONFIG) is used, and else they are not.
    type: bool
  impersonate_user:
    description:
      - The user to act as, by impersonation. If not set, E(K8S_AUTH_IMPERSONATE_USER) is used.
      - If neither this nor O(impersonate_groups) is set in either way, the fields C(as), C(as-uid), C(as-groups) and
        C(as-user-extra) of the kubeconfig's user count, as with C(kubectl).
    type: str
  impersonate_groups:
    description:
      - The groups to act as a member of, by impersonation. If not set, E(K8S_AUTH_IMPERSONATE_GROUPS) is used, with
        commas between the groups.
    type: list
    elements: str
requirements:
  - python >= 3.9
  - kubernetes >= 31, but not 36.0.0 and 36.0.1, which send no token, and not 37.0.2
notes:
  - The options for the connection mean the same as in the modules of C(kubernetes.core), and so do the variables. The
    first that is set counts - option, variable, kubeconfig.
"""
