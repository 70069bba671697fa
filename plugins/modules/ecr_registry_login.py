#!/usr/bin/python
# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecr_registry_login
short_description: Log docker, podman, helm or nerdctl in to ECR
version_added: 1.0.0
description:
  - Writes logins of ECR into the config file of a container client on a host, as C(docker login) would. No program is
    started, so no password is in the arguments of one, and the client need not be installed yet.
  - Other logins and all else in the file stay. A file that is no docker config is refused and left as it is.
  - The file is replaced as a whole, belongs to its user and has the mode V(0600). Folders that are missing get the mode
    V(0700). If the file is a symbolic link, the file that it leads to is replaced.
  - A login lives up to 12 hours. Run the task again every 3 hours; the role P(kube_ecr.secrets.registry_login#role)
    does all of it.
author:
  - kube_ecr.secrets contributors (@kube-ecr)
requirements:
  - python >= 3.9
extends_documentation_fragment:
  - kube_ecr.secrets.authorizations
options:
  client:
    description:
      - The program to log in. It says which file is written, if O(path) is not set.
      - V(docker) and V(nerdctl) share E(DOCKER_CONFIG), or C(~/.docker/config.json). BuildKit, Compose, crane and
        others read it, too.
      - V(podman) reads E(REGISTRY_AUTH_FILE), or C(~/.config/containers/auth.json), for root, too. So do Buildah,
        Skopeo and Quadlets. This file outlives a restart of the host, while what C(podman login) writes below C(/run)
        does not. Podman reads that one first, so the module warns if it has a login for the same registry.
      - V(helm) reads E(HELM_REGISTRY_CONFIG), or C(~/.config/helm/registry/config.json).
      - The variables are those of the task (C(environment)), and count only if O(user) is not set or is the user that
        the task works as. So do E(HELM_CONFIG_HOME) and E(XDG_CONFIG_HOME).
    type: str
    choices: [docker, helm, nerdctl, podman]
    required: true
  state:
    description:
      - With V(present), the logins are written.
      - With V(absent), logins of the user C(AWS), which is the user of each login of ECR, are removed. All else stays.
    type: str
    choices: [present, absent]
    default: present
  registries:
    description:
      - With O(state=absent), the registries to log out of, as O(kube_ecr.secrets.ecr_token#module:registries) takes
        them. If not set, all.
    type: list
    elements: str
  user:
    description:
      - The user whose file it is. If not set, the user that the task works as.
      - For another user, the task has to work as root (C(become)). The module takes on the rights of that user before
        it looks at his files, so a link in his home leads it nowhere that he could not go himself.
    type: str
  path:
    description:
      - The file, if it is another one than O(client) reads by default. C(~) is the home of O(user).
    type: str
  credential_helper_policy:
    description:
      - What to do if the file names a credential helper for a registry (C(credHelpers), or C(credsStore) for all of
        them). The client asks that helper then, and would not use a login in the file, so none is written.
      - With V(warn), the task warns, and writes the other logins. With V(fail), it fails and changes nothing.
      - podman does not know C(credsStore).
    type: str
    choices: [warn, fail]
    default: warn
attributes:
  action:
    description: >-
      Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
    details:
      - It checks and hides the options. The module always runs on the host.
  async:
    description: Supports being used with the C(async) keyword.
    support: full
    details:
      - Ansible cannot use pipelining then, so the options are in a file on the host for a moment.
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Will return details on what has changed, or would change in check mode.
    support: full
    details:
      - Shows registry hosts, expiry and a short fingerprint for each login that is written or replaced, never data.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: posix
notes:
  - Turn on pipelining (C(ansible_pipelining)). Without it, Ansible hands the options to the host in a file, which it
    removes when the task is over. The role P(kube_ecr.secrets.registry_login#role) turns it on.
  - E(ANSIBLE_DEBUG) shows the options of every module that Ansible ships, whatever C(no_log) says. Never set it where
    others can read the output.
  - Nothing of AWS is needed on the host, and no key of AWS gets there.
seealso:
  - module: kube_ecr.secrets.ecr_token
  - name: containers-auth.json
    description: Which files podman reads, in which order.
    link: https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
  - name: docker login
    description: Config file and credential helpers of docker.
    link: https://docs.docker.com/reference/cli/docker/login/
"""

EXAMPLES = r"""
- name: Get a token on the controller
  kube_ecr.secrets.ecr_token:
    region: eu-west-1
  delegate_to: localhost
  run_once: true
  become: false
  no_log: true
  register: ecr

- name: Log in docker of the user deploy
  kube_ecr.secrets.ecr_registry_login:
    client: docker
    user: deploy
    authorizations: "{{ ecr.authorizations }}"
  become: true
  vars:
    ansible_pipelining: true

- name: Log in podman of root, which Quadlets use
  kube_ecr.secrets.ecr_registry_login:
    client: podman
    user: root
    authorizations: "{{ ecr.authorizations }}"
    credential_helper_policy: fail
  become: true
  vars:
    ansible_pipelining: true

- name: Log out again
  kube_ecr.secrets.ecr_registry_login:
    client: docker
    user: deploy
    state: absent
  become: true
"""

RETURN = r"""
path:
  description: The config file.
  returned: success
  type: str
  sample: /home/deploy/.docker/config.json
registries:
  description: Hosts that the file holds a login for now, of those in O(authorizations); empty with O(state=absent).
  returned: success
  type: list
  elements: str
  sample: [111122223333.dkr.ecr.eu-west-1.amazonaws.com]
expires_at:
  description: When the first of these logins expires, in RFC 3339; C(null) if there is none.
  returned: success
  type: str
  sample: "2026-01-31T12:00:00Z"
credential_helpers:
  description: The credential helpers that kept a login from being written, by registry host.
  returned: success
  type: dict
  sample: {111122223333.dkr.ecr.eu-west-1.amazonaws.com: ecr-login}
state:
  description: What RV(path) is.
  returned: if there is such a file
  type: str
  sample: file
owner:
  description: User who owns RV(path).
  returned: if there is such a file
  type: str
  sample: deploy
group:
  description: Group that owns RV(path).
  returned: if there is such a file
  type: str
  sample: deploy
uid:
  description: UID of the owner.
  returned: if there is such a file
  type: int
  sample: 1000
gid:
  description: GID of the group.
  returned: if there is such a file
  type: int
  sample: 1000
mode:
  description: Permissions of RV(path).
  returned: if there is such a file
  type: str
  sample: "0600"
size:
  description: Size of RV(path) in bytes.
  returned: if there is such a file
  type: int
  sample: 3021
secontext:
  description: SELinux context of RV(path).
  returned: if there is such a file, and SELinux is enabled
  type: str
  sample: unconfined_u:object_r:user_home_t:s0
"""

from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_registry_login import FEATURE
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.runtime import run_module


def main() -> None:
    run_module(FEATURE)


if __name__ == "__main__":
    main()
