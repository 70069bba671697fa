"""The types of options: what a text stands for, and why one cannot be used. Pure."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import yaml

from kube_ecr_runner import PROGRAM
from kube_ecr_runner.contract.grammar import is_namespace_name, is_object_name
from kube_ecr_runner.model.address import Address
from kube_ecr_runner.model.pod import Pod


class Parsed(click.ParamType):
    """A type of option whose texts a function takes apart; its ValueError says why one cannot be used."""

    name = "text"

    def __init__(self, parse: Callable[[str], object]) -> None:
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what a text stands for; a default is that already."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Flag(click.types.BoolParamType):
    """The type of an option that is on or off: in a variable, true or false."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what a text stands for; click would take yes, on and 1, too: one form is enough."""
        if isinstance(value, str) and value.strip().lower() not in ("true", "false"):
            self.fail(f"{value!r} is neither true nor false; set it to one of them", param, ctx)
        return super().convert(value, param, ctx)


def file_of(text: str) -> Path:
    """Return the path of a file. Raises ValueError for an empty one."""
    if not text:
        raise ValueError("is empty; name a file")
    return Path(text)


def endpoint_of(text: str) -> str | None:
    """Return a URL, None of an empty text. Raises ValueError."""
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError(
            f"{text!r} is not a URL; give one such as https://vpce-0123.api.ecr.eu-west-1.vpce.amazonaws.com"
        )
    return text or None


def lease_of(text: str) -> tuple[str, str] | None:
    """Return namespace and name of a Lease, None of an empty text. Raises ValueError."""
    if not text:
        return None
    namespace, _, name = text.partition("/")
    if not is_namespace_name(namespace) or not is_object_name(name):
        raise ValueError(f"{text!r} is not of the form NAMESPACE/NAME, such as kube-ecr/{PROGRAM}")
    return namespace, name


def pod_of(text: str) -> Pod | None:
    """Return a pod, None of an empty text. Raises ValueError."""
    return Pod.parse(text) if text else None


def address_of(text: str) -> Address | None:
    """Return an address to listen on, None of "none" or an empty text. Raises ValueError."""
    return Address.parse(text) if text not in ("", "none") else None


def tls_address_of(text: str) -> Address:
    """Return an address to listen on with TLS. Raises ValueError."""
    if text == "0":
        # controller-runtime's way to say none.
        raise ValueError("'0' is no address; for no metrics with TLS, leave --metrics-secure out")
    return Address.parse(text)


def readable(path: str) -> bool:
    """Return whether there is a file, a pipe or the like at a path, and this process may read it."""
    return os.access(path, os.R_OK) and not Path(path).is_dir()


def variables_in(path: str) -> frozenset[str]:
    """Return which variables a file in YAML or JSON sets; none if it is encrypted. Raises ValueError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        root = None if text.startswith("$ANSIBLE_VAULT") else yaml.compose(text, yaml.SafeLoader)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError):
        raise ValueError(f"{path} is not valid YAML") from None
    if root is None:
        return frozenset()
    if not isinstance(root, yaml.MappingNode):
        raise ValueError(f"{path} holds no mapping of variables to values")
    return frozenset(str(name.value) for name, _ in root.value)


def at_least(kind: Callable[[str], float], least: int, *, most: float = math.inf) -> Parsed:
    """Return the type of a number that is finite, no less than that, and no more than most."""

    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not (least <= value <= most and value < math.inf):
            what = "a whole number" if kind is int else "a number"
            bounds = f"{least} or more" if most == math.inf else f"between {least} and {most}"
            raise ValueError(f"{text!r} is not {what} that is {bounds}")
        return value

    return Parsed(number)
