#!/usr/bin/python
# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecr_reconcile
short_description: Serve the custom resources of a host of the inventory pull_secrets
version_added: 1.0.0
description:
  - Gets the tokens that custom resources need from AWS ECR, and keeps the pull secrets of these resources fresh. It is
    the task of the playbook C(kube_ecr.secrets.reconcile), and takes the variables of a host of the inventory
    P(kube_ecr.secrets.pull_secrets#inventory). In playbooks of your own, use M(kube_ecr.secrets.ecr_token) and
    M(kube_ecr.secrets.ecr_pull_secret) instead, or import that playbook.
  - Each resource is served on its own. A resource that fails stops no other. If AWS refuses, the result says which
    namespaces still hold a valid token.
  - Keys and tokens stay in the process of the task. Neither the inventory nor the result holds any.
  - Kubernetes deletes the Secrets of a resource together with it. Secrets that it no longer wants are removed.
author:
  - kube_ecr.secrets contributors (@kube-ecr)
requirements:
  - python >= 3.12
  - boto3 >= 1.35
  - kubernetes >= 31, but not 36.0.0 and 36.0.1, which send no token, and not 37.0.2
options:
  resources:
    description:
      - What the inventory puts into the variable C(pull_secrets) of a host; by default the variable of this host. The
        form of its items may change with any version.
    type: list
    elements: dict
  logins:
    description:
      - The same of the variable C(aws_logins). It says which logins each AWS identity has to get, and names the
        resource that says how to reach AWS. That resource, and the Secret or service account that it refers to, are
        read again. A resource that was edited or replaced since the inventory was made is refused.
      - For a service account, the API server is asked for a token (C(TokenRequest)) that is valid for 10 minutes, and
        only for AWS STS.
    type: list
    elements: dict
  connection:
    description:
      - The same of the variable C(kubernetes_connection), with the keys C(kubeconfig) and C(context). Other settings
        are read from the variables C(K8S_AUTH_*) that C(kubernetes.core) documents.
    type: dict
  endpoint_url:
    description:
      - An endpoint other than AWS' own, see the option C(aws_endpoint_url) of the inventory; by default the variable of
        that name.
    type: str
  allowed_aws_identities:
    description:
      - See the option of the inventory; by default the variable of that name.
    type: list
    elements: str
  state:
    description:
      - If set, all resources count as being deleted (V(absent)) or not (V(present)). The playbook
        C(kube_ecr.secrets.cleanup) uses it.
    type: str
    choices: [present, absent]
attributes:
  action:
    description: >-
      Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
    details:
      - It runs on the control node, inside Ansible's own process. Connection, C(become), C(environment) and
        C(ansible_python_interpreter) make no difference.
  async:
    description: Supports being used with the C(async) keyword.
    support: none
    details:
      - It runs inside Ansible's own process, and does not keep it waiting for longer than two seconds.
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the target.
    support: full
    details:
      - The API server is asked with a dry run, so its admission and authorization are checked, too. AWS is asked for
        tokens, which changes nothing there.
  diff_mode:
    description: Will return details on what has changed, or would change in check mode.
    support: full
    details:
      - Shows registry hosts, expiry and a short fingerprint for each Secret, never data. Also shows the
        C(imagePullSecrets) of service accounts.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: posix
notes:
  - If some resources take long, the task ends with RV(unfinished) above 0 after two seconds. Set C(until), C(retries)
    and C(delay) as in the example, and Ansible asks again, until all results are there.
seealso:
  - module: kube_ecr.secrets.ecr_token
  - module: kube_ecr.secrets.ecr_pull_secret
  - plugin: kube_ecr.secrets.pull_secrets
    plugin_type: inventory
"""

EXAMPLES = r"""
# What the playbook kube_ecr.secrets.reconcile does, with ansible-playbook -i ecr.yml
- name: Reconcile the ECR pull secrets
  hosts: aws_identities
  gather_facts: false
  tasks:
    - name: Write the pull secrets
      kube_ecr.secrets.ecr_reconcile:
      register: reconciled
      until: reconciled.unfinished == 0
      retries: 1000
      delay: 0
"""

RETURN = r"""
resources:
  description: >-
    What became of each resource, in the order in which they were done. Beside these keys, an entry has what
    M(kube_ecr.secrets.ecr_pull_secret) returns, such as RV(kube_ecr.secrets.ecr_pull_secret#module:namespaces).
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: Which resource this is.
      type: dict
      contains:
        reference:
          description: Kind, namespace and name.
          type: str
          sample: AWSECRImagePullSecret/team-a/ecr
        owner:
          description: The same in parts.
          type: dict
          contains:
            api_version:
              description: Group and version of its API.
              type: str
              sample: aws.zakariaamine.com/v1alpha2
            kind:
              description: Its kind.
              type: str
              sample: AWSECRImagePullSecret
            namespace:
              description: Its namespace; empty if it is a cluster resource.
              type: str
              sample: team-a
            name:
              description: Its name.
              type: str
              sample: ecr
            uid:
              description: Its UID.
              type: str
            generation:
              description: The generation of its spec that was served.
              type: int
              sample: 1
        state:
          description: V(present), or V(absent) if it is being deleted.
          type: str
        reconcile_request:
          description: The value of its annotation that asks for a new token, or an empty string.
          type: str
        has_targets:
          description: Whether there is a namespace that is to have the Secret.
          type: bool
        error:
          description: Why it cannot be served as it is written; C(null) if it can.
          type: dict
          contains:
            reason:
              description: A word in CamelCase.
              type: str
              sample: CredentialsSecretNotFound
            msg:
              description: What is wrong and what to do about it.
              type: str
        warning:
          description: >-
            What is to be known of it although it is served, in the same form, such as that its tokens live short;
            C(null) if there is nothing.
          type: dict
          contains:
            reason:
              description: A word in CamelCase.
              type: str
              sample: ShortTokenLife
            msg:
              description: What is to be known and what to do about it.
              type: str
    changed:
      description: Whether anything was changed for it.
      type: bool
    failed:
      description: Whether anything could not be done for it.
      type: bool
    msg:
      description: What was done, or why it failed, in a line.
      type: str
unfinished:
  description: Number of resources that have no result yet. If it is not 0, RV(resources) has only those that are new.
  returned: always
  type: int
  sample: 0
calls:
  description: The calls to AWS so far, and their outcome, as RV(kube_ecr.secrets.ecr_token#module:calls).
  returned: always
  type: list
  elements: dict
"""
