# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option that takes what ecr_token returns."""

from __future__ import annotations


class ModuleDocFragment:
    """The option AUTHORIZATIONS of module_utils/_features/options.py."""

    DOCUMENTATION = r"""
options:
  authorizations:
    description:
      - The logins to write, as RV(kube_ecr.secrets.ecr_token#module:authorizations) returns them.
      - Required unless O(state=absent).
    type: list
    elements: dict
    suboptions:
      registry:
        description: Host of the registry as it is written in image references, without scheme and path.
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
        description: When the password expires, in RFC 3339.
        type: str
        required: true
      requested:
        description: >-
          The entry that this login answers, as in RV(kube_ecr.secrets.ecr_token#module:authorizations). If not set,
          O(authorizations[].registry).
        type: str
"""
