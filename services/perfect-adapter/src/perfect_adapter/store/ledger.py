"""The ledger of calls: each is charged to its API key and its address before it is made, by whichever replica."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import asyncpg
from closet_messaging.transaction import Connection

from perfect_adapter.domain.keys import KeyState
from perfect_adapter.domain.quota import Budget, Party


@dataclass(frozen=True, slots=True)
class Standing:
    """How a party stands: as the quota counts it; if it is a key, whether work goes to it, and what that may cost."""

    party: Party
    state: KeyState
    affordable: int | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """A call that is about to be made."""

    key: str
    egress: str
    operation: str
    render_id: str | None = None


_STANDING = """
    SELECT party, kind, state, affordable,
        greatest(0, extract(epoch FROM paused_until - clock_timestamp()))::float8 AS paused_s
    FROM parties WHERE party = ANY($1) ORDER BY kind, party
"""
# A call counts from when the vendor may have counted it last: when it was answered, or now if it has not been. One
# whose process died counts as long as it can have taken; one that provably never left does not count.
_AGES = """
    SELECT {party}, extract(epoch FROM clock_timestamp()
        - coalesce(ended_at, least(clock_timestamp(), at + make_interval(secs => $3))))::float8 AS age
    FROM vendor_calls WHERE {party} = ANY($1) AND sent AND at > clock_timestamp() - make_interval(secs => $2)
"""
_CALL_TAKES_AT_MOST_S = 120.0


async def open_parties(conn: Connection, keys: Collection[str], egress: str) -> None:
    """Have them, unless they are there.

    What is there is not even tried: an insertion would wait for whoever is about to change that row, who may be frozen.
    """
    await conn.executemany(
        """
        INSERT INTO parties (party, kind) SELECT $1, $2
        WHERE NOT EXISTS (SELECT FROM parties WHERE party = $1) ON CONFLICT DO NOTHING
        """,
        sorted([*((key, "key") for key in keys), (egress, "egress")]),
    )


async def standing(
    conn: Connection, keys: Collection[str], egress: str, budget: Budget
) -> tuple[Party, Mapping[str, Standing]]:
    """The address and the keys. With a budget they stay locked until the transaction's end: nobody counts twice."""
    rows = await conn.fetch(f"{_STANDING} {'FOR UPDATE' if budget.is_limited else ''}", [*keys, egress])
    ages = await _ages(conn, keys, egress, budget) if budget.is_limited else {}
    found = {
        row["party"]: Standing(
            Party(row["party"], ages.get(row["party"], ()), row["paused_s"]), KeyState(row["state"]), row["affordable"]
        )
        for row in rows
    }
    return found.pop(egress).party, found


async def _ages(conn: Connection, keys: Collection[str], egress: str, budget: Budget) -> dict[str, list[float]]:
    horizon_s = budget.horizon_s + _CALL_TAKES_AT_MOST_S
    of_keys = await conn.fetch(_AGES.format(party="key"), list(keys), horizon_s, _CALL_TAKES_AT_MOST_S)
    of_egress = await conn.fetch(_AGES.format(party="egress"), [egress], horizon_s, _CALL_TAKES_AT_MOST_S)
    ages: dict[str, list[float]] = {}
    for party, age in [*of_keys, *of_egress]:
        if age < budget.horizon_s:
            ages.setdefault(party, []).append(age)
    return {party: sorted(found) for party, found in ages.items()}


async def charge(conn: Connection, calls: Sequence[Charge]) -> list[int]:
    """Write these calls down; their ids, in order."""
    if not calls:
        return []
    rows = await conn.fetch(
        """
        INSERT INTO vendor_calls (key, egress, operation, render_id)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) RETURNING call_id
        """,
        [call.key for call in calls],
        [call.egress for call in calls],
        [call.operation for call in calls],
        [call.render_id for call in calls],
    )
    return [row["call_id"] for row in rows]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended; `sent` is false if it provably never left."""

    text: str
    sent: bool


async def settle(conn: Connection, outcomes: Mapping[int, Outcome]) -> None:
    """How these calls ended."""
    await conn.execute(
        """
        UPDATE vendor_calls AS c SET ended_at = clock_timestamp(), outcome = o.outcome, sent = o.sent
        FROM unnest($1::bigint[], $2::text[], $3::boolean[]) AS o (call_id, outcome, sent) WHERE c.call_id = o.call_id
        """,
        list(outcomes),
        [outcome.text for outcome in outcomes.values()],
        [outcome.sent for outcome in outcomes.values()],
    )


async def lock(conn: Connection, parties: Collection[str]) -> None:
    """Lock these, in the order of `locks`, before any of them is changed."""
    await conn.execute("SELECT FROM parties WHERE party = ANY($1) ORDER BY kind, party FOR UPDATE", list(parties))


async def struck(conn: Connection, parties: Collection[str]) -> set[str]:
    """Those of these that were paused since the vendor last answered."""
    rows = await conn.fetch("SELECT party FROM parties WHERE party = ANY($1) AND strikes > 0", list(parties))
    return {row["party"] for row in rows}


async def pause(conn: Connection, parties: Collection[str], first_s: float, longest_s: float, jitter: float) -> None:
    """Make no calls for a while, longer each time in a row; what fails while a party is paused counts once.

    The parties are locked.
    """
    await conn.execute(
        """
        UPDATE parties SET
            strikes = least(strikes + 1, 20),
            paused_until = clock_timestamp() + make_interval(secs => least($2 * 2 ^ strikes, $3) * $4)
        WHERE party = ANY($1) AND paused_until <= clock_timestamp()
        """,
        sorted(parties),
        first_s,
        longest_s,
        jitter,
    )


async def forgive(conn: Connection, parties: Collection[str]) -> None:
    """The vendor answers again: the next pause is a short one. The parties are locked."""
    await conn.execute("UPDATE parties SET strikes = 0 WHERE party = ANY($1) AND strikes > 0", sorted(parties))


async def prune(conn: Connection, older_than_s: float, limit: int) -> int:
    """Forget old calls, the oldest first, at most so many; how many were there?

    Calls are written down in the order of their ids, so the oldest are found without reading the others.
    """
    status = await conn.execute(
        """
        WITH oldest AS (SELECT call_id, at FROM vendor_calls ORDER BY call_id LIMIT $2)
        DELETE FROM vendor_calls AS c USING oldest
        WHERE c.call_id = oldest.call_id AND oldest.at < now() - make_interval(secs => $1)
        """,
        older_than_s,
        limit,
    )
    return int(status.rpartition(" ")[2])


async def count_of(conn: Connection, render_ids: Sequence[str]) -> Mapping[str, int]:
    """How many calls were made for each of these renders."""
    rows = await conn.fetch(
        "SELECT render_id, count(*) FROM vendor_calls WHERE render_id = ANY($1) AND sent GROUP BY render_id", render_ids
    )
    return {row["render_id"]: row["count"] for row in rows}


async def calls_of(conn: Connection, render_id: str) -> Sequence[asyncpg.Record]:
    """What was done for a render, in order: the walk of its calls."""
    return await conn.fetch(
        "SELECT operation, key, egress, at, ended_at, outcome FROM vendor_calls WHERE render_id = $1 ORDER BY call_id",
        render_id,
    )
