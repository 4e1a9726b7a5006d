"""Which open orders hold up others, and for how long."""

from collections.abc import Mapping, Sequence

from closet_messaging.unit import Connection

from perfect_adapter.queue import open_orders
from perfect_adapter.queue.assignment import Assignment, OpenOrder, alike, hold_s, still_holds
from perfect_adapter.queue.policy import OrderingPolicy
from perfect_adapter.queue.priorities import MOST_URGENT

SEARCH_S = 2.0
"""Seconds that the search that releases others may take, for estimates."""


async def read_holds(conn: Connection, policy: OrderingPolicy) -> tuple[list[OpenOrder], Mapping[str, float]]:
    """Return the open orders that others wait for, and how long tasks take, in seconds by feature."""
    found = await open_orders.read(conn)
    is_any_ambiguous = any(not one.is_in_hand for one in found)
    typical_s = await open_orders.typical_s(conn) if is_any_ambiguous else {}
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
