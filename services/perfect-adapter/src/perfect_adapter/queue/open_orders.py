"""Open orders, in hand or ambiguous: which hold up others, for how long, and how long tasks take."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from closet_messaging.transaction import Connection

from perfect_adapter.queue.assignment import Assignment, OpenOrder, OrderingPolicy, alike, hold_s, still_holds
from perfect_adapter.queue.fair_queue import MOST_URGENT
from perfect_adapter.vendor.features import FEATURES

_RECENT = 200
_KEPT_S = 10.0
_PUBLISHED = {name: feature.typical_s for name, feature in FEATURES.items()}

SEARCH_S = 2.0
"""Seconds that the search that releases others may take, for estimates."""


async def read(conn: Connection) -> list[OpenOrder]:
    """Return all of them, of every key and replica."""
    rows = await conn.fetch(
        """
        SELECT key, feature, state = 'submitting' AS is_in_hand,
            extract(epoch FROM clock_timestamp() - asked_at)::float8 AS age_s,
            extract(epoch FROM searched_at - asked_at)::float8 AS searched_s,
            in_vain AS failed_searches
        FROM renders WHERE state IN ('submitting', 'doubtful', 'running') AND state <> 'running'
        """
    )
    return [OpenOrder(**row) for row in rows]


async def read_typical_s(conn: Connection) -> dict[str, float]:
    """Return by feature how long its last tasks took from order to end, the median in seconds."""
    rows = await conn.fetch(
        """
        SELECT feature, percentile_cont(0.5) WITHIN GROUP (
            ORDER BY extract(epoch FROM ended_at - task_began_at)::float8
        ) AS seconds
        FROM (SELECT feature, ended_at, task_began_at FROM renders WHERE state = 'done'
              ORDER BY ended_at DESC LIMIT $1) AS recent
        GROUP BY feature
        """,
        _RECENT,
    )
    return {row["feature"]: row["seconds"] for row in rows if row["seconds"] is not None}


@dataclass(eq=False)
class TypicalDurations:
    """By feature, the median in seconds; where no task has ended lately, the value of the table of features."""

    clock: Callable[[], float] = monotonic
    _read_at: float = field(default=float("-inf"), init=False)
    _seconds: Mapping[str, float] = field(default_factory=dict, init=False)

    async def read(self, conn: Connection) -> Mapping[str, float]:
        """Return them as they were at most ten seconds ago."""
        if self.clock() - self._read_at > _KEPT_S:
            self._seconds = _PUBLISHED | await read_typical_s(conn)
            self._read_at = self.clock()
        return self._seconds


async def read_holds(conn: Connection, policy: OrderingPolicy) -> tuple[list[OpenOrder], Mapping[str, float]]:
    """Return the open orders that others wait for, and how long tasks take, in seconds by feature."""
    found = await read(conn)
    is_any_ambiguous = any(not one.is_in_hand for one in found)
    typical_s = await read_typical_s(conn) if is_any_ambiguous else {}
    wait_s = policy.ambiguous_wait_s
    return [one for one in found if still_holds(one, typical_s.get(one.feature), wait_s)], typical_s


async def stops_by_feature(conn: Connection, keys: Sequence[str], policy: OrderingPolicy) -> dict[str, float]:
    """Return the features that wait for ambiguous orders, each with the seconds after which a search releases them."""
    holding, typical_s = await read_holds(conn, policy)
    ambiguous = [one for one in holding if not one.is_in_hand]
    full = Assignment(dict.fromkeys(keys, 1), ambiguous, policy.at_once).full(MOST_URGENT + 1)
    return {feature: _ends_in_s(feature, ambiguous, typical_s, policy) for feature in full if ambiguous}


def _ends_in_s(
    feature: str, holding: Sequence[OpenOrder], typical_s: Mapping[str, float], policy: OrderingPolicy
) -> float:
    names = alike(feature)
    ends = [
        max(min(hold_s(typical_s.get(one.feature)), policy.ambiguous_wait_s) - one.age_s, SEARCH_S)
        for one in holding
        if one.feature in names
    ]
    return min(ends, default=0.0)
