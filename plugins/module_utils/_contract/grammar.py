# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How names look: of namespaces and objects, of labels, of globs for them, of AWS regions and registry hosts.

Every form is here once. A pattern is for building others; a check returns the value or raises ResourceError with the
path of the field and the remedy.
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""

from __future__ import annotations

import re

from .ecr_hosts import is_almost_ecr, meant
from .errors import ResourceError

MAX_NAMESPACE = 63
MAX_OBJECT_NAME = 253
_MAX_HOST = 261

_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_NAME = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"
_QUALIFIED_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LABEL_KEY = rf"([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_QUALIFIED_NAME}"
LABEL_VALUE = rf"({_QUALIFIED_NAME})?"
_GLOB_LABEL = r"[a-z0-9*?]([-a-z0-9*?]*[a-z0-9*?])?"

_IS_NAMESPACE = re.compile(_DNS_LABEL)
_IS_OBJECT_NAME = re.compile(_DNS_NAME)
_IS_NAMESPACE_GLOB = re.compile(_GLOB_LABEL)
_IS_OBJECT_GLOB = re.compile(rf"{_GLOB_LABEL}(\.{_GLOB_LABEL})*")
_IS_QUALIFIED_NAME = re.compile(_QUALIFIED_NAME)
_IS_LABEL_KEY = re.compile(LABEL_KEY)
_IS_LABEL_VALUE = re.compile(LABEL_VALUE)
_IS_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]+")
# https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data
_IS_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_IS_HOST = re.compile(rf"{_DNS_NAME}(:[0-9]{{1,5}})?")


def is_namespace_name(value: object) -> bool:
    """Return whether value can be the name of a namespace."""
    return _is_of(_IS_NAMESPACE, value, MAX_NAMESPACE)


def is_object_name(value: object) -> bool:
    """Return whether value can be the name of a Secret or a service account."""
    return _is_of(_IS_OBJECT_NAME, value, MAX_OBJECT_NAME)


def is_namespace_pattern(value: object) -> bool:
    """Return whether value is the name of a namespace, or a glob of such."""
    return _is_of(_IS_NAMESPACE_GLOB, value, MAX_NAMESPACE)


def is_object_pattern(value: object) -> bool:
    """Return whether value is the name of a Secret or service account, or a glob of such."""
    return _is_of(_IS_OBJECT_GLOB, value, MAX_OBJECT_NAME)


def is_glob(text: str) -> bool:
    """Return whether a name in a list is a glob, in which * stands for any characters or none, and ? for one."""
    return "*" in text or "?" in text


def is_label_key(value: object) -> bool:
    """Return whether value can be the key of a label: a name, perhaps after a prefix and a slash."""
    return isinstance(value, str) and _IS_LABEL_KEY.fullmatch(value) is not None


def is_label_value(value: object) -> bool:
    """Return whether value can be the value of a label; the empty text can."""
    return isinstance(value, str) and _IS_LABEL_VALUE.fullmatch(value) is not None


def is_qualified_name(value: object) -> bool:
    """Return whether value can be the name part in the key of a label or an annotation."""
    return isinstance(value, str) and _IS_QUALIFIED_NAME.fullmatch(value) is not None


def is_data_key(value: object) -> bool:
    """Return whether value can be a key in the data of a Secret."""
    return _is_of(_IS_DATA_KEY, value, MAX_OBJECT_NAME)


def is_region(value: object) -> bool:
    """Return whether value has the form of an AWS region, such as eu-west-1; an availability zone has not."""
    return isinstance(value, str) and _IS_REGION.fullmatch(value) is not None


def check_secret_name(name: object, path: str = "secret_name") -> str:
    """Return name if it can be the name of a Secret; raise ResourceError with path if not."""
    if not (isinstance(name, str) and is_object_name(name)):
        raise ResourceError(path, f"{name!r} is not a valid Secret name (lower case letters, digits, '-', '.')")
    return name


def check_namespaces(names: object, path: str = "namespaces") -> list[str]:
    """Return the names of namespaces without duplicates, in order; raise ResourceError with path."""
    if not isinstance(names, list) or not names:
        raise ResourceError(path, "must list at least one namespace")
    for name in names:
        if not is_namespace_name(name):
            raise ResourceError(path, f"{name!r} is not a valid namespace name (lower case letters, digits, '-')")
    return list(dict.fromkeys(names))


def check_region(region: object, path: str = "region") -> str:
    """Return region if it has the form of an AWS region; raise ResourceError with path and the remedy."""
    if not isinstance(region, str) or not region:
        raise ResourceError(path, "is missing; give an AWS region such as eu-west-1")
    if region != region.strip():
        raise ResourceError(path, f"{region!r} begins or ends with white space (a trailing newline?); remove it")
    if not is_region(region):
        raise ResourceError(path, f"{region!r} is not an AWS region such as eu-west-1 (an availability zone is none)")
    return region


def check_registries(hosts: object, path: str) -> list[str]:
    """Return hosts of registries without duplicates, in order; raise ResourceError with path and the remedy.

    A host is taken as it stands in image references, where the part before the first slash is one only if it
    holds a dot or a colon (https://pkg.go.dev/github.com/distribution/reference).
    """
    if not isinstance(hosts, list):
        raise ResourceError(path, "must be a list of registry hosts")
    for host in hosts:
        if not (_is_of(_IS_HOST, host, _MAX_HOST) and re.search("[.:]", host)):
            raise ResourceError(
                path,
                f"{host!r} is not a registry host as it stands in image references, such as "
                "111122223333.dkr.ecr.eu-west-1.amazonaws.com or public.ecr.aws (lower case, no scheme, path or tag)"
                f"{_hint(host)}",
            )
        if is_almost_ecr(host):
            raise ResourceError(
                path,
                f"{host!r} is almost a host of ECR, but none: write {meant(host)} (an account has twelve digits; no "
                "port)",
            )
    return list(dict.fromkeys(hosts))


def _hint(host: object) -> str:
    """Return what was probably meant, if that is a host."""
    probable = meant(host) if isinstance(host, str) else ""
    is_host = probable != host and _is_of(_IS_HOST, probable, _MAX_HOST) and re.search("[.:]", probable)
    return f"; write {probable}" if is_host else ""


def _is_of(form: re.Pattern[str], value: object, longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest and form.fullmatch(value) is not None
