"""What AWS answers instead of what was asked for."""

from __future__ import annotations


class Refused(Exception):
    """An error of AWS: its code, its text, its HTTP status. Which form it has on the wire is up to the service."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
