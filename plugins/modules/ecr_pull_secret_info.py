#!/usr/bin/python
# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecr_pull_secret_info
short_description: Tell which pull secrets are in a Kubernetes cluster, how long they live and whose they are
version_added: 0.1.0
description:
  - Lists the Secrets that this collection keeps fresh, by a playbook or for custom resources, with the life of their
    tokens and their owners.
  - Only the metadata of Secrets is asked for, never their data. What is told is what this collection wrote down there
    with the logins; no registry is asked whether it takes them.
  - A token that is dead is no failure. Have M(ansible.builtin.assert) look at the result where it should be one.
author:
  - kube_ecr.secrets contributors (@kube-ecr)
requirements:
  - python >= 3.9
  - kubernetes >= 31
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
options:
  secret_name:
    description:
      - Only Secrets of this name. They are listed whoever made them, so also those of kube-ecr-secrets-operator, copies
        that somebody made of ours, and foreign ones; RV(pull_secrets[].managed) tells them apart.
      - If not set, the Secrets that have the labels of this collection and that it keeps fresh.
    type: str
  namespaces:
    description:
      - Only Secrets in these namespaces. C(*) stands for any characters, C(?) for one.
      - Names without any glob need the right to list Secrets in these namespaces only, otherwise it is needed in the
        whole cluster.
    type: list
    elements: str
  expires_within_seconds:
    description:
      - Only Secrets that hold a token which is dead or dies within that time; with V(0), which is dead.
      - A Secret that this collection keeps fresh, but whose life cannot be told, since somebody took away what told it,
        counts as such a one.
      - A token lives 12 hours and is replaced when half of that is over, so that with V(10800) what has not been
        replaced for 3 hours is told.
    type: int
attributes:
  check_mode:
    description: Can run in check mode and tell what it would return without changing anything.
    support: full
  diff_mode:
    description: Will return details on what has changed, or would change in check mode.
    support: none
    details:
      - There is nothing that could change.
notes:
  - Kubernetes knows no right to metadata alone. Whoever may list Secrets may read them.
seealso:
  - module: kube_ecr.secrets.ecr_pull_secret
"""

EXAMPLES = r"""
- name: Look at all pull secrets of the collection
  kube_ecr.secrets.ecr_pull_secret_info:
  register: found

- name: Say how long they live
  ansible.builtin.debug:
    msg: "{{ item.namespace }}/{{ item.name }}: {{ item.expires_in }} seconds"
  loop: "{{ found.pull_secrets }}"
  loop_control:
    label: "{{ item.namespace }}/{{ item.name }}"

- name: Look for pull secrets that should have been replaced hours ago
  kube_ecr.secrets.ecr_pull_secret_info:
    expires_within_seconds: 10800
  register: dying

- name: Fail if there are any, so that AWX sends its notification
  ansible.builtin.assert:
    that: dying.pull_secrets | length == 0
    fail_msg: >-
      No new token for hours:
      {% for each in dying.pull_secrets %}
      {{ each.namespace }}/{{ each.name }} (until {{ each.expires_at or 'nobody knows when' }},
      for {{ each.owners | map(attribute='name') | select | join(', ') or 'a playbook or an unknown owner' }})
      {% endfor %}
    quiet: true

- name: Look who has a Secret of that name in the namespaces of a team
  kube_ecr.secrets.ecr_pull_secret_info:
    secret_name: ecr-login
    namespaces: ["team-a-*"]
  register: named

- name: Every one of them is ours, and nobody edited it
  ansible.builtin.assert:
    that:
      - named.pull_secrets | rejectattr('managed') | length == 0
      - named.pull_secrets | rejectattr('intact') | length == 0
"""

RETURN = r"""
pull_secrets:
  description:
    - The Secrets that were found, sorted by namespace and name; one that several share is told once.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: Where the Secret is.
      type: str
      sample: team-a
    name:
      description: Name of the Secret.
      type: str
      sample: ecr-login
    managed:
      description: >-
        Whether this collection wrote the logins in it. It is V(false) for a Secret of kube-ecr-secrets-operator that
        was not taken over yet, for a copy of ours elsewhere, and for a foreign one.
      type: bool
    shared:
      description: >-
        Whether others may have logins in it too, since it was written with C(existing_secret_policy=Merge). All that is
        told is then about the logins of this collection.
      type: bool
    intact:
      description: >-
        Whether it is managed, and nobody edited the logins, or what tells about them, since they were written. Where it
        is V(false) the rest may be wrong.
      type: bool
    held_by:
      description: Whose it is if it is not managed, for a person; empty if it is.
      type: str
      sample: is managed by Helm
    owners:
      description: >-
        The custom resources that it was written for; empty where a playbook wrote it for none, or it is foreign.
      type: list
      elements: dict
      contains:
        kind:
          description: Kind of the resource, C(null) where only its UID is known, as in a shared Secret.
          type: str
          sample: ClusterAWSECRImagePullSecret
        namespace:
          description: Namespace of the resource, C(null) for a cluster kind and where only its UID is known.
          type: str
        name:
          description: Name of the resource, C(null) where only its UID is known.
          type: str
          sample: platform
        uid:
          description: UID of the resource.
          type: str
          sample: 6f3c1d0e-4a53-4a0e-9b0f-0f5d6f1f2c7b
    requested:
      description: >-
        What its logins were asked for, as RV(kube_ecr.secrets.ecr_token#module:authorizations[].requested) says. That
        is the host of a registry, for a host that is none of AWS' perhaps with C(@) and a region behind it, or the name
        of a region for the own registry there. Hosts as they stand in the Secret are in its data only.
      type: list
      elements: str
      sample: [eu-west-1]
    expires_at:
      description: >-
        When the first of the tokens in it stops working, in RFC 3339; C(null) where that is not known.
      type: str
      sample: "2026-01-31T12:00:00Z"
    renew_after:
      description: >-
        When the first of the tokens in it has lived half of its life and is due to be replaced, in RFC 3339; C(null)
        where that is not known.
      type: str
      sample: "2026-01-31T06:00:00Z"
    expires_in:
      description: >-
        Seconds until C(expires_at), by the clock of the host that this runs on; 0 or less when it is over, C(null)
        where it is not known.
      type: int
      sample: 39600
    expired:
      description: Whether the first of the tokens in it is dead; V(false) where that is not known.
      type: bool
expires_at:
  description: The earliest of the C(expires_at) of all that were found, or C(null).
  returned: success
  type: str
  sample: "2026-01-31T12:00:00Z"
error:
  description: Why they could not be listed.
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
