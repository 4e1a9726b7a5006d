"""API keys as all replicas know them: in use, draining, or out, and what their accounts hold."""

from collections.abc import Collection, Sequence

import asyncpg
from closet_messaging.transaction import Connection

from perfect_adapter.domain.keys import KeyState


async def take_out(conn: Connection, key: str, reason: str, probe_in_s: float) -> bool:
    """No more work for this key until it is probed; was it in use?"""
    status = await conn.execute(
        """
        UPDATE parties SET state = 'out', reason = $2, probes = 0, probe_at = now() + make_interval(secs => $3)
        WHERE party = $1 AND kind = 'key' AND state <> 'out'
        """,
        key,
        reason,
        probe_in_s,
    )
    return status == "UPDATE 1"


async def limit_units(conn: Connection, key: str, affordable: int) -> None:
    """Only tasks that cost at most so many units go to it until its account, asked about at once, is seen to hold more.

    It is locked.
    """
    await conn.execute(
        """
        UPDATE parties SET affordable = least(affordable, $2),
            probe_at = CASE WHEN affordable IS NULL THEN now() ELSE probe_at END
        WHERE party = $1 AND kind = 'key'
        """,
        key,
        affordable,
    )


async def put_back(conn: Connection, key: str) -> bool:
    """The vendor takes it again; was it out?"""
    status = await conn.execute(
        "UPDATE parties SET state = 'active', reason = NULL, probes = 0 WHERE party = $1 AND state = 'out'", key
    )
    return status == "UPDATE 1"


async def set_state(conn: Connection, key: str, state: KeyState, reason: str) -> bool:
    """As an operator decides; is there such a key?"""
    status = await conn.execute(
        "UPDATE parties SET state = $2, reason = $3, probe_at = now() WHERE party = $1 AND kind = 'key'",
        key,
        state.value,
        reason,
    )
    return status == "UPDATE 1"


async def due(conn: Connection, keys: Collection[str]) -> str | None:
    """A key whose account is to be asked about; it is not locked."""
    name: str | None = await conn.fetchval(
        """
        SELECT party FROM parties WHERE party = ANY($1) AND kind = 'key' AND probe_at <= now()
        ORDER BY probe_at LIMIT 1
        """,
        list(keys),
    )
    return name


async def claim_probe(conn: Connection, key: str, lease_s: float) -> bool:
    """Ask about it now, if nobody else has begun to; should that fail it is due again after `lease_s`."""
    status = await conn.execute(
        "UPDATE parties SET probe_at = now() + make_interval(secs => $2) WHERE party = $1 AND probe_at <= now()",
        key,
        lease_s,
    )
    return status == "UPDATE 1"


async def probe_later(conn: Connection, key: str, in_s: float) -> None:
    await conn.execute(
        """
        UPDATE parties SET probe_at = now() + make_interval(secs => $2), probes = probes + (state = 'out')::integer
        WHERE party = $1
        """,
        key,
        in_s,
    )


async def note_units(conn: Connection, key: str, units: int) -> None:
    """What the account holds, which may be more than what did not suffice before."""
    await conn.execute(
        """
        UPDATE parties SET units = $2, affordable = CASE WHEN $2 > affordable THEN NULL ELSE affordable END
        WHERE party = $1
        """,
        key,
        units,
    )


async def dearest(conn: Connection) -> float:
    """How many units a task may cost that some key takes: none where no key takes work, infinity without a limit."""
    units: float | None = await conn.fetchval(
        """
        SELECT max(coalesce(affordable::float8, 'infinity')) FROM parties WHERE kind = 'key' AND state = 'active'
        """
    )
    return units or 0.0


async def listed(conn: Connection) -> Sequence[asyncpg.Record]:
    """Every key ever used, with how it stands and what it has at the vendor."""
    return await conn.fetch(
        """
        SELECT party AS key, state, reason, units, affordable, probes,
            greatest(0, extract(epoch FROM paused_until - now()))::float8 AS paused_s,
            (SELECT count(*) FROM renders r
             WHERE r.key = party AND r.state IN ('submitting', 'doubtful', 'running')) AS at_vendor
        FROM parties WHERE kind = 'key' ORDER BY party
        """
    )


async def at_vendor(conn: Connection) -> dict[str, int]:
    """By key: how many tasks have yet to be looked at."""
    rows = await conn.fetch(
        "SELECT key, count(*) FROM renders WHERE state IN ('submitting', 'doubtful', 'running') GROUP BY key"
    )
    return {row["key"]: row["count"] for row in rows}
