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
  - A Secret that is as this module wrote it, and whose token has not lived half of its life yet, is left as it is.
  - A Secret that was not written by this collection is not touched, but reported as a conflict, unless
    O(existing_secret_policy) says otherwise.
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
      - Needed unless O(state=absent). Empty is possible together with O(authorization_errors) only.
    type: list
    elements: dict
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
        description: >-
          What the login was asked for with, as RV(kube_ecr.secrets.ecr_token#module:authorizations) says; if not set,
          O(authorizations[].registry).
        type: str
  authorization_errors:
    description:
      - Why logins are missing in O(authorizations), as RV(kube_ecr.secrets.ecr_token#module:errors) returns it.
      - Those that are there are written all the same, beside what the Secret still holds of the missing ones; without
        any, nothing is written. The task fails in any case, after it has looked which namespaces hold valid tokens.
    type: list
    elements: dict
    suboptions:
      requested:
        description: What there is no login for; if not set, there is none for anything.
        type: str
      reason:
        description: A word in CamelCase.
        type: str
        required: true
      msg:
        description: What failed and what to do about it.
        type: str
        required: true
  secret_name:
    description:
      - Name of the Secret. Needed unless O(resource) is given.
    type: str
  namespaces:
    description:
      - Names of the namespaces that get the Secret. Duplicates count once. Needed with O(secret_name).
    type: list
    elements: str
  state:
    description:
      - With V(present) the Secret is written. It stays in namespaces that O(namespaces) does not name any more.
      - With V(absent) it is removed from O(namespaces), where this module wrote it for no custom resource, and so is
        what it put into Secrets of others, and into O(service_accounts).
    type: str
    choices: [present, absent]
    default: present
  service_accounts:
    description:
      - Names of service accounts of O(namespaces) that get the Secret into their C(imagePullSecrets), for pods that are
        created from then on. C(*) stands for any characters, C(?) for one.
      - What others have put there stays. One that has the Secret already is left as it is.
    type: list
    elements: str
  labels:
    description:
      - Labels of the Secret. Those that others have set stay.
    type: dict
  annotations:
    description:
      - Annotations of the Secret. Those that others have set stay.
    type: dict
  existing_secret_policy:
    description:
      - What to do with a Secret of the name that this module did not write.
      - With V(Fail) it is left as it is, and reported.
      - With V(Adopt) it is taken over, and what it holds is replaced.
      - With V(Merge) the logins are kept fresh inside of it, beside all else that it holds; O(state=absent) takes out
        just them.
      - A Secret that has a controller or belongs to a custom resource of this collection, one of another type, and an
        immutable one are never touched.
    type: str
    choices: [Fail, Adopt, Merge]
    default: Fail
  force:
    description:
      - Write the given token even where the present one has not lived half of its life. Use it when the IAM principal
        behind the token has changed.
    type: bool
    default: false
  resource:
    description:
      - A custom resource in place of all other options but O(authorizations) and O(authorization_errors), as an item of
        C(pull_secrets) in the inventory P(kube_ecr.secrets.pull_secrets#inventory). It belongs to the playbook
        C(kube_ecr.secrets.reconcile), or one that wraps it; its form may change with any version.
      - Kubernetes deletes its Secrets together with it. Those that it does not want any more are removed.
    type: dict
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
      - Shows registry hosts, expiry and a short fingerprint for each Secret, never data; and the C(imagePullSecrets) of
        service accounts.
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

- name: Keep the logins fresh inside a Secret that others use too, and give it to service accounts
  kube_ecr.secrets.ecr_pull_secret:
    authorizations: "{{ ecr.authorizations }}"
    secret_name: registries
    namespaces: [team-a]
    service_accounts: [default, "build-*"]
    existing_secret_policy: Merge

- name: Take all of that away again
  kube_ecr.secrets.ecr_pull_secret:
    secret_name: registries
    namespaces: [team-a]
    service_accounts: [default, "build-*"]
    existing_secret_policy: Merge
    state: absent

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
  description: Hosts that the logins at hand are for; empty where none were needed.
  returned: always
  type: list
  elements: str
  sample: [111122223333.dkr.ecr.eu-west-1.amazonaws.com]
namespaces:
  description: What became of each namespace, in the order of O(namespaces); empty with O(state=absent).
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
service_accounts:
  description: What was done to service accounts; one that needed nothing is not in it.
  returned: always
  type: list
  elements: dict
  contains:
    namespace:
      description: Name of the namespace.
      type: str
    name:
      description: Name of the service account, or C(*) where they could not be listed.
      type: str
    state:
      description: V(added), V(removed) or V(failed).
      type: str
    reason:
      description: A word in CamelCase for why it failed; empty otherwise.
      type: str
    msg:
      description: The same for a person.
      type: str
removed:
  description: Secrets that are not wanted any more.
  returned: always
  type: list
  elements: dict
  contains:
    namespace:
      description: Name of the namespace.
      type: str
    name:
      description: Name of the Secret.
      type: str
    state:
      description: >-
        V(deleted); V(released) where it stays, without what was ours in it, or as nobody's; V(failed).
      type: str
    reason:
      description: A word in CamelCase for why it failed; empty otherwise.
      type: str
    msg:
      description: The same for a person.
      type: str
expires_at:
  description: The earliest of the C(expires_at) of all namespaces, or C(null).
  returned: always
  type: str
  sample: "2026-01-31T12:00:00Z"
renew_after:
  description: >-
    When the first of the tokens in the namespaces has lived half of the life that AWS granted it, or is as old as the
    C(refreshInterval) of a custom resource says, or C(null) where none holds one: the time to run again.
  returned: always
  type: str
  sample: "2026-01-31T06:00:00Z"
issued_at:
  description: When the oldest of the tokens in the namespaces was granted, or C(null) where none holds one.
  returned: always
  type: str
  sample: "2026-01-31T00:00:00Z"
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

from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_pull_secret import FEATURE
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.runtime import run_module


def main() -> None:
    run_module(FEATURE)


if __name__ == "__main__":
    main()
