#!/usr/bin/python
# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecr_token
short_description: Get an authorization token of AWS ECR
version_added: 0.1.0
description:
  - Asks AWS ECR for an authorization token, with which a container client can pull for up to 12 hours.
  - The token is valid for every registry of the region that the IAM principal may read.
  - Explicit keys win alone. When O(access_key) and O(secret_key) are given, nothing is read from the environment or
    from the shared configuration files but O(region), the proxy settings and E(AWS_CA_BUNDLE).
  - When neither keys nor O(profile) are given, the credential chain of boto3 is used, with all its sources
    (environment variables such as E(AWS_ACCESS_KEY_ID) and E(AWS_PROFILE), shared files, web identity, container and
    instance roles).
author:
  - kube_ecr.secrets contributors (@kube-ecr)
requirements:
  - python >= 3.9
  - boto3 >= 1.35
options:
  region:
    description:
      - The AWS region of the registry, such as V(eu-west-1).
      - If not set, E(AWS_REGION), E(AWS_DEFAULT_REGION) or, without explicit keys, the region of the profile is used.
    type: str
    aliases: [aws_region]
  access_key:
    description:
      - The access key ID. Needs O(secret_key) beside it.
    type: str
    aliases: [aws_access_key_id, aws_access_key]
  secret_key:
    description:
      - The secret access key. Needs O(access_key) beside it.
    type: str
    aliases: [aws_secret_access_key, aws_secret_key]
  session_token:
    description:
      - The session token of temporary credentials. Needs O(access_key) and O(secret_key) beside it.
    type: str
    aliases: [aws_session_token]
  profile:
    description:
      - A profile of the shared configuration files. Cannot be combined with O(access_key) and O(secret_key).
    type: str
    aliases: [aws_profile]
  endpoint_url:
    description:
      - Another endpoint than that of AWS, such as a VPC endpoint or LocalStack.
      - If not set, E(AWS_ENDPOINT_URL) and the shared files are asked, but only without explicit keys.
    type: str
    aliases: [aws_endpoint_url]
attributes:
  check_mode:
    description: Can run in check mode and tell what it would return without changing anything.
    support: full
    details:
      - Getting a token changes nothing in AWS, so it is done in check mode too.
  diff_mode:
    description: Will return details on what has changed, or would change in check mode.
    support: none
    details:
      - There is nothing that could change.
notes:
  - Set C(no_log=true) on every task that uses this module. Its result holds a password, which is otherwise shown with
    C(-v) and handed to callback plugins.
  - On the controller itself the module runs inside Ansible's own process, and the keys are written to no file. On
    another host, or with C(become), C(environment) or another C(ansible_python_interpreter), Ansible ships the module
    with its options as usual; turn on pipelining to keep them off the disk there.
seealso:
  - module: kube_ecr.secrets.ecr_pull_secret
  - name: GetAuthorizationToken
    description: The API of AWS ECR.
    link: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
"""

EXAMPLES = r"""
- name: Get a token with the credentials that boto3 finds
  kube_ecr.secrets.ecr_token:
    region: eu-west-1
  no_log: true
  register: ecr

- name: Get a token with static keys
  kube_ecr.secrets.ecr_token:
    region: eu-west-1
    access_key: "{{ vault_aws_access_key }}"
    secret_key: "{{ vault_aws_secret_key }}"
  no_log: true
  register: ecr

- name: Get a token with a profile of the shared files
  kube_ecr.secrets.ecr_token:
    region: eu-west-1
    profile: registry-reader
  no_log: true
  register: ecr

- name: Write it into two namespaces
  kube_ecr.secrets.ecr_pull_secret:
    authorizations: "{{ ecr.authorizations }}"
    secret_name: ecr-login
    namespaces: [team-a, team-b]
"""

RETURN = r"""
authorizations:
  description: The logins that AWS gave, one for each registry that it names; empty when the call failed.
  returned: always
  type: list
  elements: dict
  contains:
    registry:
      description: Host of the registry, as it stands in image references.
      type: str
      sample: 111122223333.dkr.ecr.eu-west-1.amazonaws.com
    username:
      description: User name for the registry.
      type: str
      sample: AWS
    password:
      description: Password for the registry. This is a secret.
      type: str
    expires_at:
      description: When the password stops working, in RFC 3339.
      type: str
      sample: "2026-01-31T12:00:00Z"
error:
  description: Why there is no token; C(null) when there is one.
  returned: always
  type: dict
  contains:
    reason:
      description: The error code of AWS, or a word of the same form for what went wrong on the way there.
      type: str
      sample: UnrecognizedClientException
    msg:
      description: What failed and what to do about it, for a person.
      type: str
"""

from ansible_collections.kube_ecr.secrets.plugins.module_utils._ecr_token import FEATURE
from ansible_collections.kube_ecr.secrets.plugins.module_utils._module import run_module


def main() -> None:
    run_module(FEATURE)


if __name__ == "__main__":
    main()
