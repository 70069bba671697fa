"""Which events are written as events of their own, and which are counted in one that is there already. Pure.

An event that happens again within an hour is a repetition of the first: a series, in the words of events.k8s.io/v1.
Its count and time are written once a minute at most, so that neither retries nor somebody who edits a Secret again and
again flood the API server or whoever reads the events.
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.resource import Key

# The API server keeps an event for an hour after it was last written (--event-ttl).
SERIES_LIFE = timedelta(hours=1)
WRITE_INTERVAL = timedelta(minutes=1)
# As many different events of one resource are written in an hour; client-go's recorder has the same burst.
MAX_SERIES = 25


@dataclass
class _Series:
    """An event that was written: the name that it has in the cluster, and how often it happened since."""

    name: str
    seen_at: datetime
    written_at: datetime
    count: int = 1


class EventWriter:
    """Writes the events of resources, by way of two calls: create(event) returns a name, repeat(name, count) whether
    the event of that name is still there."""

    def __init__(self) -> None:
        self._series: dict[Key, dict[Event, _Series]] = {}

    def write(
        self,
        key: Key,
        event: Event,
        now: datetime,
        create: Callable[[], str],
        repeat: Callable[[str, int], bool],
    ) -> None:
        """Write an event of a resource, or that it happened again, or nothing for now.

        What create and repeat raise goes through: an event that could not be created is as if it never happened, a
        repetition that could not be written is counted with the next one.
        """
        known = self._series.setdefault(key, {})
        ended = [old for old, series in known.items() if now - series.seen_at >= SERIES_LIFE]
        for old in ended:
            del known[old]
        series = known.get(event)
        if series is None:
            if len(known) < MAX_SERIES:
                known[event] = _Series(create(), now, now)
            return
        series.count += 1
        series.seen_at = now
        if now - series.written_at < WRITE_INTERVAL:
            return
        if repeat(series.name, series.count):
            series.written_at = now
        else:
            known[event] = _Series(create(), now, now)

    def forget(self, key: Key) -> None:
        """Drop what is known of a resource that is gone."""
        self._series.pop(key, None)
