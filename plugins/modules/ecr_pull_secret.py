#!/usr/bin/python
# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecr_pull_secret
short_description: Keep a pull secret fresh in namespaces of a Kubernetes cluster
version_added: 0.1.0
description:
  - Writes registry logins into a Secret of type C(kubernetes.io/dockerconfigjson), in any number of namespaces, for use
    as C(imagePullSecrets) of pods and service accounts.
  - Every namespace is served on its own and in parallel. A failure in one stops no other; the result has an entry for
    each.
  - A Secret whose token still has more than half of the life of the given one, and which is otherwise as this module
    wrote it, is left as it is.
  - A Secret that was not written by this collection for the same O(owner) is never touched, but reported as a
    conflict.
  - A namespace that does not exist yet, or is being deleted, is reported as V(pending), which is no failure.
author:
  - kube_ecr.secrets contributors (@kube-ecr)
requirements:
  - python >= 3.9
  - kubernetes >= 31
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
options:
  authorizations:
    description:
      - The logins to write, as RV(kube_ecr.secrets.ecr_token#module:authorizations) returns them.
      - Empty is possible together with O(authorization_errors) only.
    type: list
    elements: dict
    required: true
    suboptions:
      registry:
        description: Host of the registry as it stands in image references, with no scheme and no path.
        type: str
        required: true
      username:
        description: User name for the registry.
        type: str
        default: AWS
      password:
        description: Password for the registry.
        type: str
        required: true
      expires_at:
        description: When the password stops working, in RFC 3339.
        type: str
        required: true
      requested:
        description: The entry of O(registries) that this login answers; if not set, O(authorizations[].registry).
        type: str
  registries:
    description:
      - Which of the logins in O(authorizations) to write, as they were asked for with the option of this name of
        M(kube_ecr.secrets.ecr_token). Where one is neither in O(authorizations) nor in O(authorization_errors), nothing
        is written.
      - If not set, all of them.
    type: list
    elements: str
  identity:
    description:
      - Any short text without secrets that tells the AWS identity apart from which the tokens are. A Secret that was
        written for another one is written anew, however long its token lives.
    type: str
  secret_name:
    description:
      - Name of the Secret.
    type: str
    required: true
  namespaces:
    description:
      - Names of the namespaces that get the Secret. Duplicates count once.
    type: list
    elements: str
    required: true
  owner:
    description:
      - The custom resource that the Secret is written for. Kubernetes deletes the Secret together with it.
      - Without an owner the Secret stays until somebody deletes it.
    type: dict
    suboptions:
      api_version:
        description: API version of the resource, with its group.
        type: str
        required: true
      kind:
        description: Kind of the resource.
        type: str
        required: true
      namespace:
        description:
          - Namespace of the resource, empty for a cluster-scoped one. A namespaced resource can own Secrets in its own
            namespace only.
        type: str
        default: ""
      name:
        description: Name of the resource.
        type: str
        required: true
      uid:
        description: UID of the resource.
        type: str
        required: true
      generation:
        description: Generation of the resource. Of no effect; for whoever reads the results.
        type: int
        default: 0
  authorization_errors:
    description:
      - Why logins are missing in O(authorizations), as RV(kube_ecr.secrets.ecr_token#module:errors) returns it.
      - Those that are there are written all the same, beside what the Secret still holds of the missing ones; without
        any, nothing is written. The task fails in any case, after it has looked which namespaces hold valid tokens.
    type: list
    elements: dict
    suboptions:
      requested:
        description: The entry of O(registries) that there is no login for; if not set, there is none for any.
        type: str
      reason:
        description: A word in CamelCase.
        type: str
        required: true
      msg:
        description: What failed and what to do about it.
        type: str
        required: true
  force:
    description:
      - Write the given token even where the present one has more than half of its life left. Use it when the IAM
        principal behind the token has changed.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the target.
    support: full
    details:
      - The API server is asked with a dry run, so its admission and authorization have their say too.
  diff_mode:
    description: Will return details on what has changed, or would change in check mode.
    support: full
    details:
      - Shows registry hosts, expiry and a short fingerprint for each namespace, never data.
seealso:
  - module: kube_ecr.secrets.ecr_token
"""

EXAMPLES = r"""
- name: Get a token
  kube_ecr.secrets.ecr_token:
    region: eu-west-1
  no_log: true
  register: ecr

- name: Keep the pull secret of two namespaces fresh
  kube_ecr.secrets.ecr_pull_secret:
    authorizations: "{{ ecr.authorizations }}"
    secret_name: ecr-login
    namespaces: [team-a, team-b]

- name: The same in another cluster
  kube_ecr.secrets.ecr_pull_secret:
    authorizations: "{{ ecr.authorizations }}"
    secret_name: ecr-login
    namespaces: [team-a]
    kubeconfig: ~/.kube/other
    context: staging
"""

RETURN = r"""
secret_name:
  description: Name of the Secret.
  returned: always
  type: str
  sample: ecr-login
registries:
  description: Hosts that the given authorizations log in to.
  returned: always
  type: list
  elements: str
  sample: [111122223333.dkr.ecr.eu-west-1.amazonaws.com]
namespaces:
  description: What became of each namespace, in the order of O(namespaces).
  returned: always
  type: list
  elements: dict
  contains:
    namespace:
      description: Name of the namespace.
      type: str
      sample: team-a
    state:
      description: >-
        V(created), V(updated) or V(unchanged) when the namespace holds a valid token; V(pending) when the namespace
        does not exist yet or is being deleted; V(failed) when it could not be served.
      type: str
      sample: created
    reason:
      description: A word in CamelCase for why it is pending or failed; empty otherwise.
      type: str
      sample: SecretConflict
    msg:
      description: The same for a person, with what to do; empty when there is nothing to say.
      type: str
    expires_at:
      description: >-
        When the token that is in the Secret now stops working, in RFC 3339; C(null) when there is no valid one.
      type: str
      sample: "2026-01-31T12:00:00Z"
expires_at:
  description: The earliest of the C(expires_at) of all namespaces, or C(null).
  returned: always
  type: str
  sample: "2026-01-31T12:00:00Z"
token_life:
  description: Seconds that the first to die of the given authorizations lives, or C(null) when none were given.
  returned: always
  type: int
  sample: 43200
error:
  description: Why nothing could be written anywhere, or a login is missing; C(null) otherwise.
  returned: always
  type: dict
  contains:
    reason:
      description: A word in CamelCase.
      type: str
    msg:
      description: What failed and what to do about it.
      type: str
"""

from ansible_collections.kube_ecr.secrets.plugins.module_utils._ecr_pull_secret import FEATURE
from ansible_collections.kube_ecr.secrets.plugins.module_utils._module import run_module


def main() -> None:
    run_module(FEATURE)


if __name__ == "__main__":
    main()
