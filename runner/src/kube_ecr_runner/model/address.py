"""The address on which the runner answers probes and Prometheus. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ADDRESS = re.compile(r"(?P<host>|\[[0-9A-Fa-f:.%\w]+\]|[^\[\]:\s]+):(?P<port>[0-9]{1,5})", re.ASCII)


@dataclass(frozen=True)
class Address:
    """Host and port; an empty host stands for all addresses of the machine, port 0 for any that is free."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address in a text such as :8080, 127.0.0.1:8080 or [::1]:8080. Raises ValueError."""
        found = _ADDRESS.fullmatch(text)
        if not found or int(found["port"]) > 65535:
            raise ValueError(f"{text!r} is not an address to listen on; give :8080, 127.0.0.1:8080 or [::1]:8080")
        return cls(found["host"].strip("[]"), int(found["port"]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
