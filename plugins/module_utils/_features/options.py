# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that several modules have, as their argument specifications hold them."""

from __future__ import annotations

from typing import Any

# The logins that ecr_token returns.
AUTHORIZATIONS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "registry": {"type": "str", "required": True},
        "username": {"type": "str", "default": "AWS"},
        "password": {"type": "str", "required": True, "no_log": True},
        "expires_at": {"type": "str", "required": True},
        "requested": {"type": "str"},
    },
}
