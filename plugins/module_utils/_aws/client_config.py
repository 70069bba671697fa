# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How clients of AWS are made, as a user may say it: botocore's own settings, and what certificates are checked with.

The options are those of amazon.aws (its doc fragment C(common) and module_utils C(botocore)), with the same meaning.
What they hold is checked before any call, because botocore notices most of it in the midst of one.

What always holds: no value goes into a message, since the URL of a proxy may hold a password.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

try:
    import botocore
    from botocore.config import Config
except ImportError:  # reported by _features.runtime.missing_libraries, by name, when a task runs
    botocore = None

REFERENCE = "https://docs.aws.amazon.com/botocore/latest/reference/config.html"
_NUMBERS = ("connect_timeout", "read_timeout", "max_pool_connections")
_MAPPINGS = ("client_context_params", "proxies", "proxies_config", "retries", "s3")


def checked_config(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings of botocore.config.Config in the option aws_config; empty if it is not given.

    Raises ValueError, which names the setting.
    """
    settings = dict(options or {})
    for name, value in settings.items():
        if name not in Config.OPTION_DEFAULTS:
            raise ValueError(
                f"aws_config: {name!r} is no setting of botocore.config.Config in botocore {botocore.__version__}; "
                f"see {REFERENCE}"
            )
        if name in _NUMBERS and (not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0):
            raise ValueError(f"aws_config: {name} has to be a number greater than 0")
        if name in _MAPPINGS and not isinstance(value, Mapping):
            raise ValueError(f"aws_config: {name} has to be a dictionary")
        try:
            Config(**{name: value})
        except Exception as error:  # noqa: BLE001 - its text may quote the value
            raise ValueError(
                f"aws_config: botocore does not accept the value of {name} ({type(error).__name__}); see {REFERENCE}"
            ) from None
    return settings


def checked_verification(validate_certs: bool | None, ca_bundle: str | None) -> bool | str | None:
    """Return what boto3 calls verify: the path of a bundle, False, or None for what the environment says.

    As in amazon.aws, validate_certs=false goes before a bundle: defaults of a play may name one for all tasks.
    Raises ValueError if the bundle cannot be used.
    """
    if validate_certs is False:
        return False
    if ca_bundle is None:
        return None
    if not ca_bundle:
        raise ValueError("aws_ca_bundle: is given but empty")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=ca_bundle)
    except ssl.SSLError:
        raise ValueError(
            f"aws_ca_bundle: {ca_bundle} holds no certificate that can be read; it has to be PEM"
        ) from None
    except OSError as error:
        raise ValueError(
            f"aws_ca_bundle: {ca_bundle} cannot be read ({error.strerror}); it is looked for where the module runs"
        ) from None
    return ca_bundle
