"""What is overdue for publishing: how much, since when, and whether it has waited for too long."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from closet_chassis.postgres import Pool
from closet_contracts.nouns import Service

from closet_messaging.metrics import OLDEST, UNPUBLISHED
from closet_messaging.streams import published_by

OVERDUE = timedelta(seconds=5)
"""What is younger is its own replica's to publish."""

# What is published anew was in time once; how long ago that was says nothing of today.
_LOOK = """
    SELECT split_part(subject, '.', 2) AS noun, count(*) AS count,
        coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE replays = 0)), 0)::float8 AS oldest_s
    FROM outbox WHERE published_at IS NULL AND created_at < now() - $1::interval
    GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Events of one noun that are overdue."""

    count: int
    oldest_s: float


async def read_overdue(pool: Pool) -> Mapping[str, Waiting]:
    """What is overdue in a database, by noun."""
    rows = await pool.fetch(_LOOK, OVERDUE)
    return {row["noun"]: Waiting(row["count"], row["oldest_s"]) for row in rows}


class Overdue:
    """A service's overdue events, as the last look found them.

    Args:
        service: whose.
        limit_s: once an event has waited for so long, its stream is taken for stalled.
    """

    def __init__(self, service: Service, limit_s: float) -> None:
        self._limit_s = limit_s
        self._streams = {stream.noun: stream.name for stream in published_by(service)}
        self._oldest_s = dict.fromkeys(self._streams, 0.0)

    @property
    def is_stalled(self) -> bool:
        """Has an event of any stream waited for too long?"""
        return any(age_s > self._limit_s for age_s in self._oldest_s.values())

    async def look(self, pool: Pool) -> Collection[str]:
        """Look again; the nouns of which there is something overdue."""
        found = await read_overdue(pool)
        UNPUBLISHED.set(sum(waiting.count for waiting in found.values()))
        for noun, stream in self._streams.items():
            self._oldest_s[noun] = found[noun].oldest_s if noun in found else 0.0
            OLDEST.labels(stream).set(self._oldest_s[noun])
        return found.keys()

    async def check(self) -> str | None:
        """A readiness check: which streams are stalled."""
        stalled = {self._streams[noun]: age_s for noun, age_s in self._oldest_s.items() if age_s > self._limit_s}
        return (
            "; ".join(f"{name}: the oldest event has waited {age_s:.0f} s" for name, age_s in stalled.items()) or None
        )
