"""A client of the runner's ports that is slow on purpose."""

from __future__ import annotations

import socket
import time


def is_cut_off(client: socket.socket, seconds: float) -> bool:
    """Send a request byte by byte, and return whether the server ends that before so many seconds are over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            client.sendall(b"G")
        except OSError:
            return True
        time.sleep(0.05)
    return False
