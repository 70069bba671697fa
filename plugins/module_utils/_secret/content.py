# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Secret of ours holds, as one text: so a fingerprint of it can be taken, whatever the keys of its data are.

Pure. That of a pull secret is its docker config JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from .._contract.ownership import DATA_KEY, login_keys
from . import docker_config


def text(data: Mapping[str, str]) -> str:
    """Return the text for the values of the data by key."""
    return data[DATA_KEY] if data.keys() == {DATA_KEY} else json.dumps(data, sort_keys=True, separators=(",", ":"))


def stored(secret: Mapping) -> str:
    """Return the text for what stands in a Secret under the keys that hold a login, empty where one cannot be read."""
    keys = login_keys(secret["metadata"])
    if keys == {DATA_KEY}:
        return docker_config.content(secret)
    try:
        return text({key: base64.b64decode((secret.get("data") or {})[key]).decode() for key in keys})
    except (KeyError, TypeError, ValueError):
        return ""
