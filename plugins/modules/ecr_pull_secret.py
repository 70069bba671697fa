#!/usr/bin/python
# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecr_pull_secret
short_description: Keep a pull secret fresh in namespaces of a Kubernetes cluster
version_added: 1.0.0
description:
  - Writes registry logins into a Secret of type C(kubernetes.io/dockerconfigjson), in any number of namespaces, for use
    in C(imagePullSecrets) of pods and service accounts.
  - Each namespace is served on its own, in parallel with others. A failure in one namespace stops no other. The result
    has an entry for each namespace.
  - A Secret stays as it is if nobody changed it since this module wrote it, and less than a quarter of its token's life
    is over. So with runs every 3 hours, and at most 4 hours apart, a token of 12 hours outlives one that fails.
  - A Secret that this collection did not write is left alone and reported as a conflict, unless
    O(existing_secret_policy) says otherwise.
  - A namespace that does not exist yet, or is being deleted, is reported as V(pending). That is not a failure.
author:
  - kube_ecr.secrets contributors (@kube-ecr)
extends_documentation_fragment:
  - kube_ecr.secrets.authorizations
  - kube_ecr.secrets.k8s_auth
options:
  authorization_errors:
    description:
      - Why logins are missing in O(authorizations), as RV(kube_ecr.secrets.ecr_token#module:errors) returns it.
      - If it is set, O(authorizations) may be empty.
      - The other logins are written, beside the missing ones that the Secret still holds. Without any login, nothing is
        written. The task fails in any case, after it has checked which namespaces hold valid tokens.
    type: list
    elements: dict
    suboptions:
      requested:
        description: The entry that has no login. If not set, no entry has one.
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
      - Name of the Secret.
    type: str
    required: true
  namespaces:
    description:
      - Names of the namespaces that get the Secret. Duplicates count once.
    type: list
    elements: str
    required: true
  state:
    description:
      - With V(present), the Secret is written. It stays in namespaces that O(namespaces) no longer names.
      - With V(absent), the Secret is removed from O(namespaces) if this module wrote it for no custom resource. What
        the module added to Secrets of others and to O(service_accounts) is removed, too.
    type: str
    choices: [present, absent]
    default: present
  service_accounts:
    description:
      - Names of service accounts in O(namespaces) that get the Secret in their C(imagePullSecrets), for pods that are
        created from then on. C(*) stands for any characters, C(?) for one.
      - Entries of others stay. A service account that already has the Secret is left as it is.
      - If helm or another server-side apply writes the same list, RV(service_accounts) says so, since its next change
        of the service account may fail with a conflict.
    type: list
    elements: str
  labels:
    description:
      - Labels of the Secret. Labels that others have set stay.
    type: dict
  annotations:
    description:
      - Annotations of the Secret. Annotations that others have set stay.
    type: dict
  outputs:
    description:
      - Further Secrets with the same token, in the form that a consumer other than the kubelet reads. They are written,
        renewed and, with O(state=absent), removed together with the pull secret. None of them costs a call to AWS.
      - With V(Merge) in O(existing_secret_policy), nothing is merged into these Secrets. One of somebody else is
        reported as a conflict.
    type: list
    elements: dict
    version_added: 1.0.0
    suboptions:
      name:
        description:
          - Name of the Secret. With more than one of O(outputs[].urls), the Secrets are called NAME, NAME-2, NAME-3 and
            so on.
        type: str
        required: true
      type:
        description:
          - V(ArgoCDRepository) is a repository of Argo CD, V(ArgoCDRepositoryCredentials) a credential template for all
            repositories whose URL begins with one of O(outputs[].urls).
          - V(BasicAuth) is a Secret of type C(kubernetes.io/basic-auth) with C(username) and C(password).
          - V(Template) is a Secret with the texts of O(outputs[].data).
        type: str
        required: true
        choices: [ArgoCDRepository, ArgoCDRepositoryCredentials, BasicAuth, Template]
      namespaces:
        description: Names of the namespaces that get the Secret. If not set, those of O(namespaces).
        type: list
        elements: str
      registry:
        description:
          - Whose login V(BasicAuth) or V(Template) holds, one of O(authorizations[].registry). If not set, the first.
        type: str
      urls:
        description:
          - URLs of the repositories of Argo CD, with one Secret for each. Without a scheme it is a Helm repository,
            with C(oci://) one of type C(oci). Required for these types.
        type: list
        elements: str
      project:
        description: Project of Argo CD that alone may use the repository.
        type: str
      secret_type:
        description: Type of the Secret of a V(Template), if not C(Opaque). Types that Kubernetes defines are refused.
        type: str
      data:
        description:
          - Texts of a V(Template) by key. These placeholders in them are replaced by what AWS granted - $(username),
            $(password), $(host), $(auth), which is USERNAME:PASSWORD in base64, and $(expiry), a time in RFC 3339.
          - Nothing else in a text has a meaning. Any other placeholder is refused.
        type: dict
      labels:
        description: Labels of the Secret.
        type: dict
      annotations:
        description: Annotations of the Secret.
        type: dict
  existing_secret_policy:
    description:
      - What to do if a Secret of that name exists that this module did not write.
      - With V(Fail), it is left as it is and reported.
      - With V(Adopt), it is taken over, and its content is replaced.
      - With V(Merge), the logins are kept fresh inside it, beside its other content. O(state=absent) removes only these
        logins.
      - These Secrets are never changed - one that has a controller or belongs to a custom resource of this collection,
        one of another type, and an immutable one.
    type: str
    choices: [Fail, Adopt, Merge]
    default: Fail
  force:
    description:
      - Write the given token even if less than a quarter of the present token's life is over. Use it when the IAM
        principal of the token has changed.
    type: bool
    default: false
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
    description: Can run in check mode and return changed status prediction without modifying the target.
    support: full
    details:
      - The API server is asked with a dry run, so its admission and authorization are checked, too.
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

- name: Keep the logins fresh inside a Secret that others use too, and add it to service accounts
  kube_ecr.secrets.ecr_pull_secret:
    authorizations: "{{ ecr.authorizations }}"
    secret_name: registries
    namespaces: [team-a]
    service_accounts: [default, "build-*"]
    existing_secret_policy: Merge

- name: Give Argo CD and a build tool the same login, in forms that they read
  kube_ecr.secrets.ecr_pull_secret:
    authorizations: "{{ ecr.authorizations }}"
    secret_name: ecr-login
    namespaces: [team-a]
    outputs:
      - name: ecr-charts
        type: ArgoCDRepositoryCredentials
        namespaces: [argocd]
        urls: [111122223333.dkr.ecr.eu-west-1.amazonaws.com]
      - name: registry-env
        type: Template
        data:
          REGISTRY: $(host)
          REGISTRY_PASSWORD: $(password)

- name: Undo all of that
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
  description: Hosts of the logins that were passed; empty if none were needed.
  returned: always
  type: list
  elements: str
  sample: [111122223333.dkr.ecr.eu-west-1.amazonaws.com]
namespaces:
  description: The result for each namespace, in the order of O(namespaces); empty with O(state=absent).
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
        V(created), V(updated) or V(unchanged) if the namespace holds a valid token. V(pending) if the namespace does
        not exist yet or is being deleted. V(failed) if it could not be served.
      type: str
      sample: created
    reason:
      description: >-
        Why it is pending or failed, as a word in CamelCase; V(LoginShadowed) if the Secret is written, but has a login
        of somebody else for a part of a registry, which some consumers prefer, and which is no failure; empty
        otherwise.
      type: str
      sample: SecretConflict
    msg:
      description: Why, and what to do about it, in words; empty if there is nothing to say.
      type: str
    shadowed_by:
      description: >-
        The keys of these logins of somebody else, ten at most. They are looked for when the Secret is written.
      returned: if there are any
      type: list
      elements: str
      sample: [111122223333.dkr.ecr.eu-west-1.amazonaws.com/team]
    expires_at:
      description: >-
        When the token that is now in the Secret expires, in RFC 3339; C(null) if there is no valid token.
      type: str
      sample: "2026-01-31T12:00:00Z"
outputs:
  description: The result for each Secret of O(outputs), with its name; empty with O(state=absent).
  returned: always
  type: list
  elements: dict
  contains:
    namespace:
      description: Name of the namespace.
      type: str
      sample: argocd
    name:
      description: Name of the Secret.
      type: str
      sample: ecr-charts
    state:
      description: V(created), V(updated), V(unchanged), V(pending) or V(failed).
      type: str
      sample: created
    reason:
      description: Why it is pending or failed, as a word in CamelCase; empty otherwise.
      type: str
    msg:
      description: Why, and what to do about it, in words; empty if there is nothing to say.
      type: str
    expires_at:
      description: When the token that is now in the Secret expires; C(null) if there is no valid token.
      type: str
      sample: "2026-01-31T12:00:00Z"
service_accounts:
  description: >-
    What was done to service accounts, and which of them somebody else writes, too. Other service accounts that needed
    no change are not listed.
  returned: always
  type: list
  elements: dict
  contains:
    namespace:
      description: Name of the namespace.
      type: str
    name:
      description: Name of the service account, or C(*) if they could not be listed.
      type: str
    state:
      description: V(added), V(removed), V(unchanged) or V(failed).
      type: str
    reason:
      description: >-
        Why it failed, as a word in CamelCase; V(ServiceAccountContested) if it has the Secret, and helm or another
        server-side apply writes its C(imagePullSecrets), too, which is no failure; empty otherwise.
      type: str
      sample: ServiceAccountContested
    msg:
      description: Why it failed, or who else writes it, and what to do about it, in words.
      type: str
    written_by:
      description: Who else writes it, for a person.
      returned: if somebody else does
      type: str
      sample: helm release web
removed:
  description: Secrets that are no longer wanted.
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
        V(deleted); V(released) if the Secret stays without our logins, or without an owner; V(failed).
      type: str
    reason:
      description: Why it failed, as a word in CamelCase; empty otherwise.
      type: str
    msg:
      description: Why it failed, and what to do about it, in words.
      type: str
expires_at:
  description: The earliest of the C(expires_at) of all namespaces, or C(null).
  returned: always
  type: str
  sample: "2026-01-31T12:00:00Z"
renew_after:
  description: >-
    When to run again at the latest. That is when half of the life of the first token in the namespaces is over, or when
    that token is as old as the C(refreshInterval) of a custom resource says. C(null) if no namespace holds a token.
  returned: always
  type: str
  sample: "2026-01-31T06:00:00Z"
issued_at:
  description: When the oldest token in the namespaces was granted, or C(null) if no namespace holds a token.
  returned: always
  type: str
  sample: "2026-01-31T00:00:00Z"
error:
  description: Why nothing could be written, or why a login is missing; C(null) otherwise.
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
