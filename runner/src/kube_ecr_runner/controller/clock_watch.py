"""Notices that the clock was set back: due times are times of day, so all of them would come later by as much. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from kube_ecr_runner.contract.token_life import CLOCK_TOLERANCE


class ClockWatch:
    """Compares each time with the one before; a clock that goes ahead makes due what is due."""

    def __init__(self, now: datetime) -> None:
        self._seen_at = now

    def set_back_by(self, now: datetime) -> timedelta:
        """Return by how much the clock was set back since the last call, zero if by so little that it does no harm."""
        back, self._seen_at = self._seen_at - now, now
        return back if back >= CLOCK_TOLERANCE else timedelta(0)
