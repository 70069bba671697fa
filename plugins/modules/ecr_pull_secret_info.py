#!/usr/bin/python
# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecr_pull_secret_info
short_description: List the pull secrets of a Kubernetes cluster with their owners and the expiry of their tokens
version_added: 1.0.0
description:
  - Lists the Secrets that this collection keeps fresh, by a playbook or for custom resources, with the expiry of their
    tokens and their owners.
  - Only the metadata of Secrets is requested, never their data. The result is what this collection recorded there
    together with the logins. No registry is asked whether the logins work.
  - An expired token is not a failure. Check the result with M(ansible.builtin.assert) if it should be one.
author:
  - kube_ecr.secrets contributors (@kube-ecr)
extends_documentation_fragment:
  - kube_ecr.secrets.k8s_auth
options:
  secret_name:
    description:
      - Only Secrets of this name, regardless of who made them. So Secrets of kube-ecr-secrets-operator, copies of the
        collection's Secrets, and Secrets of others are listed, too. RV(pull_secrets[].managed) tells them apart.
      - If not set, only the Secrets that have the labels of this collection and that it keeps fresh.
    type: str
  namespaces:
    description:
      - Only Secrets in these namespaces. C(*) stands for any characters, C(?) for one.
      - Names without any glob need the right to list Secrets in these namespaces only. Otherwise the right is needed in
        the whole cluster.
    type: list
    elements: str
  expires_within_seconds:
    description:
      - Only Secrets that hold a token which has expired or expires within that time. With V(0), only expired tokens.
      - A Secret that this collection keeps fresh, but whose expiry is unknown because somebody removed the annotation,
        is also listed.
      - A token is valid for 12 hours and is replaced after half of that. So V(10800) lists the Secrets whose
        replacement is 3 hours late.
    type: int
attributes:
  action:
    description: >-
      Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
    details:
      - On the control node itself, the module runs inside Ansible's own process. On another host, or with C(become),
        C(async), C(environment) or another C(ansible_python_interpreter), Ansible ships it.
  action_group:
    description: Use C(group/kube_ecr.secrets.k8s) in C(module_defaults) to set defaults for this module.
    support: full
    membership: [kube_ecr.secrets.k8s]
  async:
    description: Supports being used with the C(async) keyword.
    support: full
    details:
      - Ansible ships the module then, also to the controller itself.
  check_mode:
    description: Can run in check mode and tell what it would return without changing anything.
    support: full
  diff_mode:
    description: Will return details on what has changed, or would change in check mode.
    support: none
    details:
      - There is nothing that could change.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: posix
notes:
  - Kubernetes has no right for metadata only. An account that may list Secrets may also read them.
seealso:
  - module: kube_ecr.secrets.ecr_pull_secret
"""

EXAMPLES = r"""
- name: List all pull secrets of the collection
  kube_ecr.secrets.ecr_pull_secret_info:
  register: found

- name: Show how long their tokens are valid
  ansible.builtin.debug:
    msg: "{{ item.namespace }}/{{ item.name }}: {{ item.expires_in }} seconds"
  loop: "{{ found.pull_secrets }}"
  loop_control:
    label: "{{ item.namespace }}/{{ item.name }}"

- name: Find pull secrets whose token should have been replaced hours ago
  kube_ecr.secrets.ecr_pull_secret_info:
    expires_within_seconds: 10800
  register: late

- name: Fail if there are any, so that AWX sends its notification
  ansible.builtin.assert:
    that: late.pull_secrets | length == 0
    fail_msg: >-
      No new token for hours:
      {% for secret in late.pull_secrets %}
      {{ secret.namespace }}/{{ secret.name }} (until {{ secret.expires_at or 'an unknown time' }},
      for {{ secret.owners | map(attribute='name') | select | join(', ') or 'a playbook or an unknown owner' }})
      {% endfor %}
    quiet: true

- name: Find all Secrets of one name in the namespaces of a team
  kube_ecr.secrets.ecr_pull_secret_info:
    secret_name: ecr-login
    namespaces: ["team-a-*"]
  register: named

- name: Check that the collection wrote each of them, and nobody edited it
  ansible.builtin.assert:
    that:
      - named.pull_secrets | rejectattr('managed') | length == 0
      - named.pull_secrets | rejectattr('intact') | length == 0
"""

RETURN = r"""
pull_secrets:
  description:
    - The Secrets that were found, sorted by namespace and name. A shared Secret is listed once.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: Namespace of the Secret.
      type: str
      sample: team-a
    name:
      description: Name of the Secret.
      type: str
      sample: ecr-login
    managed:
      description: >-
        Whether this collection wrote the logins in it. V(false) for a Secret of kube-ecr-secrets-operator that was not
        taken over yet, for a copy in another place, and for a Secret of others.
      type: bool
    output:
      description: >-
        Which type of output it is, such as V(BasicAuth), if it is one of C(spec.outputs) of a custom resource or of
        O(kube_ecr.secrets.ecr_pull_secret#module:outputs); C(null) for a pull secret.
      type: str
    shared:
      description: >-
        Whether others may have logins in it too, since it was written with C(existing_secret_policy=Merge). In that
        case all other values are about the logins of this collection.
      type: bool
    intact:
      description: >-
        Whether it is managed, and nobody edited the logins or their annotations since they were written. If V(false),
        the other values may be wrong.
      type: bool
    held_by:
      description: The owner of a Secret that is not managed, in words; empty if it is managed.
      type: str
      sample: is managed by Helm
    owners:
      description: >-
        The custom resources that it was written for. Empty if a playbook wrote it for none, or if it belongs to others.
      type: list
      elements: dict
      contains:
        kind:
          description: Kind of the resource; C(null) if only its UID is known, as in a shared Secret.
          type: str
          sample: ClusterAWSECRImagePullSecret
        namespace:
          description: Namespace of the resource; C(null) for a cluster kind, or if only its UID is known.
          type: str
        name:
          description: Name of the resource; C(null) if only its UID is known.
          type: str
          sample: platform
        uid:
          description: UID of the resource.
          type: str
          sample: 6f3c1d0e-4a53-4a0e-9b0f-0f5d6f1f2c7b
    requested:
      description: >-
        The entries that its logins answer, as in RV(kube_ecr.secrets.ecr_token#module:authorizations[].requested). An
        entry is the host of a registry or the name of a region. A region stands for the caller's own registry there. A
        host that does not belong to AWS may be followed by C(@) and a region. The hosts that are written in the Secret
        are only in its data.
      type: list
      elements: str
      sample: [eu-west-1]
    expires_at:
      description: >-
        When the first of its tokens expires, in RFC 3339; C(null) if that is not known.
      type: str
      sample: "2026-01-31T12:00:00Z"
    renew_after:
      description: >-
        When half of the life of the first of its tokens is over, and the token is due to be replaced, in RFC 3339;
        C(null) if that is not known.
      type: str
      sample: "2026-01-31T06:00:00Z"
    expires_in:
      description: >-
        Seconds until C(expires_at), by the clock of the host where the module runs. 0 or less if it has expired,
        C(null) if that is not known.
      type: int
      sample: 39600
    expired:
      description: Whether the first of its tokens has expired; V(false) if that is not known.
      type: bool
expires_at:
  description: The earliest C(expires_at) of all Secrets that were found, or C(null).
  returned: success
  type: str
  sample: "2026-01-31T12:00:00Z"
error:
  description: Why the Secrets could not be listed.
  returned: failure
  type: dict
  contains:
    reason:
      description: A word in CamelCase.
      type: str
      sample: Forbidden
    msg:
      description: What failed and what to do about it.
      type: str
"""

from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_pull_secret_info import FEATURE
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.runtime import run_module


def main() -> None:
    run_module(FEATURE)


if __name__ == "__main__":
    main()
