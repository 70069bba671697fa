#!/usr/bin/python
# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecr_token
short_description: Get authorization tokens of AWS ECR
version_added: 1.0.0
description:
  - Asks AWS ECR, and ECR Public if wanted, for authorization tokens. A container client can pull with a token for up to
    12 hours.
  - A token is valid for every registry of its region that the IAM principal may read, also in other accounts. The
    module makes one call for each region and kind of endpoint that O(registries) need.
  - Explicit keys exclude all other sources. If O(access_key) and O(secret_key) are set, only O(region), the proxy
    settings and E(AWS_CA_BUNDLE) are read from the environment and the shared configuration files. The same is true for
    a web identity token.
  - If neither keys nor a web identity token nor O(profile) are set, the module uses the credential chain of boto3 with
    all its sources (environment variables such as E(AWS_ACCESS_KEY_ID) and E(AWS_PROFILE), shared files,
    C(credential_process) as used by IAM Roles Anywhere, the web identity of IRSA, EKS Pod Identity, container and
    instance roles).
  - A role can be assumed on top of any of them.
author:
  - kube_ecr.secrets contributors (@kube-ecr)
requirements:
  - python >= 3.9
  - boto3 >= 1.35
options:
  region:
    description:
      - The AWS region of the registry, such as V(eu-west-1), and of the calls to STS.
      - If not set, E(AWS_REGION) or E(AWS_DEFAULT_REGION) is used or, without explicit keys, the region of the profile.
    type: str
    aliases: [aws_region]
  access_key:
    description:
      - The access key ID. Requires O(secret_key).
    type: str
    aliases: [aws_access_key_id, aws_access_key]
  secret_key:
    description:
      - The secret access key. Requires O(access_key).
    type: str
    aliases: [aws_secret_access_key, aws_secret_key]
  session_token:
    description:
      - The session token of temporary credentials. Requires O(access_key) and O(secret_key).
    type: str
    aliases: [aws_session_token]
  web_identity_token:
    description:
      - A token of an OpenID Connect provider that the AWS account trusts, such as a token of a Kubernetes service
        account with the audience C(sts.amazonaws.com). It is used to assume a role, O(web_identity_role_arn) or else
        O(role_arn).
    type: str
  web_identity_token_file:
    description:
      - A file that holds such a token, on the host where the module runs. O(web_identity_token) takes precedence.
    type: path
  web_identity_role_arn:
    description:
      - The role that is assumed with the web identity token, if O(role_arn) is to be assumed from that role (role
        chaining).
    type: str
  role_arn:
    description:
      - A role to assume. The principal needs C(sts:AssumeRole) for it, and the role has to trust the principal.
    type: str
  external_id:
    description:
      - The external ID that the trust policy of O(role_arn) demands.
      - Not allowed for a role that is assumed with a web identity token, since AWS accepts none there.
    type: str
  role_session_name:
    description:
      - Name of the session of an assumed role. CloudTrail shows it.
    type: str
    default: kube-ecr-secrets
  registries:
    description:
      - The registries to log in to, as they are written in image references. An entry is a host of ECR in any partition
        (such as V(111122223333.dkr.ecr.us-east-1.amazonaws.com), also with C(ecr-fips), or C(dkr-ecr) for dual-stack),
        V(public.ecr.aws), or any other host in front of ECR.
      - The name of a region stands for the registry of the caller's own account there. AWS sends its host.
      - A host that does not belong to AWS may be followed by C(@) and the region of its token, if that is not
        O(region).
      - For FIPS and dual-stack hosts, the module uses AWS' endpoint of that kind, unless O(endpoint_url) is set.
      - If not set, the caller's own registry in O(region).
    type: list
    elements: str
  public:
    description:
      - Also get a login for V(public.ecr.aws), in addition to O(registries) or the caller's own registry.
      - Requires the permissions C(ecr-public:GetAuthorizationToken) and C(sts:GetServiceBearerToken).
    type: bool
    default: false
  profile:
    description:
      - A profile of the shared configuration files. Cannot be combined with O(access_key) and O(secret_key).
    type: str
    aliases: [aws_profile]
  endpoint_url:
    description:
      - An endpoint other than AWS' own, such as LocalStack, for ECR, ECR Public and STS.
      - This includes the calls to STS by which boto3 finds its own credentials (a web identity, a profile that assumes
        a role). Without explicit keys, E(AWS_ENDPOINT_URL_STS) goes before it, if set.
      - If not set, E(AWS_ENDPOINT_URL) and the shared files are used, but only without explicit keys.
    type: str
    aliases: [aws_endpoint_url]
  validate_certs:
    description:
      - Whether the TLS certificates of AWS' endpoints are checked.
      - Without it, anyone on the way can read the token. For a CA of your own, set O(aws_ca_bundle) instead.
    type: bool
    default: true
  aws_ca_bundle:
    description:
      - A file with the CA certificates (PEM) that AWS' endpoints are checked with, on the host where the module runs.
      - It counts for all calls, also for those by which boto3 finds its own credentials.
      - If not set, E(AWS_CA_BUNDLE) is used or, without explicit keys, C(ca_bundle) of the profile.
      - Not used with O(validate_certs=false), as in the modules of C(amazon.aws).
    type: path
  aws_config:
    description:
      - Settings for the clients of AWS, by the names of C(botocore.config.Config),
        U(https://docs.aws.amazon.com/botocore/latest/reference/config.html). A name that botocore does not know is
        refused.
      - They go before what the module sets by itself, C(connect_timeout) 5, C(read_timeout) 10 and its own way to
        retry. With C(retries), only botocore retries, so that a call may last longer.
      - The kind of endpoint that a host in O(registries) needs goes before them. So does O(region).
    type: dict
attributes:
  action:
    description: >-
      Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
    details:
      - On the control node itself, the module runs inside Ansible's own process. See the notes.
  action_group:
    description: Use C(group/kube_ecr.secrets.aws) in C(module_defaults) to set defaults for this module.
    support: full
    membership: [kube_ecr.secrets.aws]
    details:
      - That group extends C(amazon.aws.aws), so one entry of C(module_defaults) sets the same for this module and for
        the modules of C(amazon.aws).
      - An entry for C(group/amazon.aws.aws) does not reach this module, since a collection can add nothing to a group
        of another one.
  async:
    description: Supports being used with the C(async) keyword.
    support: none
    details:
      - Ansible keeps the result of such a task in clear in a file (C(~/.ansible_async)), and this result holds a
        password.
  check_mode:
    description: Can run in check mode and tell what it would return without changing anything.
    support: full
    details:
      - Getting a token changes nothing in AWS, so the module does it in check mode, too.
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
  - Set C(no_log=true) on every task that uses this module. Its result holds a password. Otherwise C(-v) shows it, and
    callback plugins receive it.
  - On the controller itself, the module runs inside Ansible's own process, and the keys are written to no file. On
    another host, or with C(become), C(environment) or another C(ansible_python_interpreter), Ansible ships the module
    with its options as usual. Turn on pipelining to keep them off the disk there.
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

- name: Get a token with a profile of the shared configuration files
  kube_ecr.secrets.ecr_token:
    region: eu-west-1
    profile: registry-reader
  no_log: true
  register: ecr

- name: Get tokens for registries of two regions, of another account and for ECR Public
  kube_ecr.secrets.ecr_token:
    region: eu-west-1
    registries:
      - 111122223333.dkr.ecr.eu-west-1.amazonaws.com
      - 444455556666.dkr.ecr.us-east-1.amazonaws.com
      - public.ecr.aws
  no_log: true
  register: ecr

- name: Get tokens for the caller's own registries in two regions, and for ECR Public
  kube_ecr.secrets.ecr_token:
    registries: [eu-west-1, us-east-1]
    public: true
  no_log: true
  register: ecr

- name: Get a token through a proxy that opens TLS connections
  kube_ecr.secrets.ecr_token:
    region: eu-west-1
    aws_ca_bundle: /etc/pki/company.pem
    aws_config:
      proxies:
        https: http://proxy.example.com:3128
      read_timeout: 30
  no_log: true
  register: ecr

- name: Set region and profile once, for this module and for those of amazon.aws
  module_defaults:
    group/kube_ecr.secrets.aws:
      region: eu-west-1
      profile: registry-reader
  block:
    - name: Get a token
      kube_ecr.secrets.ecr_token:
      no_log: true
      register: ecr

    - name: See whose it is
      amazon.aws.aws_caller_info:

- name: Assume a role of another account
  kube_ecr.secrets.ecr_token:
    region: eu-west-1
    role_arn: arn:aws:iam::444455556666:role/registry-reader
    external_id: "{{ vault_external_id }}"
    role_session_name: awx
  no_log: true
  register: ecr

- name: Assume a role with the token of a service account that is mounted into a pod
  kube_ecr.secrets.ecr_token:
    region: eu-west-1
    role_arn: arn:aws:iam::111122223333:role/registry-reader
    web_identity_token_file: /var/run/secrets/eks.amazonaws.com/serviceaccount/token
  no_log: true
  register: ecr

- name: Get a token of a service account, for the next task
  ansible.builtin.command: kubectl create token puller -n team-a --audience sts.amazonaws.com
  register: account
  changed_when: false
  no_log: true

- name: Assume a role with it, and another one from there
  kube_ecr.secrets.ecr_token:
    region: eu-west-1
    web_identity_token: "{{ account.stdout }}"
    web_identity_role_arn: arn:aws:iam::111122223333:role/cluster
    role_arn: arn:aws:iam::444455556666:role/registry-reader
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
  description: The logins that AWS granted, one for each of O(registries); empty if all calls failed.
  returned: always
  type: list
  elements: dict
  contains:
    registry:
      description: Host of the registry, as it is written in image references.
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
      description: When the password expires, in RFC 3339.
      type: str
      sample: "2026-01-31T12:00:00Z"
    requested:
      description: The entry of O(registries) that this login answers, or O(region).
      type: str
      sample: eu-west-1
errors:
  description: Why logins are missing; empty if none is missing. The task fails if there is an error.
  returned: always
  type: list
  elements: dict
  contains:
    requested:
      description: The entry of O(registries) that has no login; C(null) if none of them has one.
      type: str
    reason:
      description: The error code of AWS, or a word of the same form for an error before AWS was reached.
      type: str
      sample: UnrecognizedClientException
    msg:
      description: What failed and what to do about it.
      type: str
calls:
  description: The calls to STS, ECR and ECR Public, and their outcome. Nothing in here is secret.
  returned: always
  type: list
  elements: dict
  contains:
    operation:
      description: Service and operation.
      type: str
      sample: ecr:GetAuthorizationToken
    code:
      description: V(OK), the error code of AWS, or a word of the same form for an error before AWS was reached.
      type: str
      sample: ThrottlingException
    count:
      description: Number of attempts with this outcome. A repeated attempt counts again.
      type: int
      sample: 1
"""

from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_token import FEATURE
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.runtime import run_module


def main() -> None:
    run_module(FEATURE)


if __name__ == "__main__":
    main()
