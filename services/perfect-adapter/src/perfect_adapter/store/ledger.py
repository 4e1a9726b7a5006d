"""The quota ledger: every call is charged to its lane before it is made, by whichever replica makes it."""

from closet_messaging.unit import Connection

from perfect_adapter.domain.quota import Budget, Grant, Wish, grant

_PAUSED = "SELECT greatest(0, extract(epoch FROM paused_until - clock_timestamp()))::float8 FROM lanes WHERE lane = $1"


async def open_lane(conn: Connection, lane: str) -> None:
    """Have the lane, unless it is there."""
    await conn.execute("INSERT INTO lanes (lane) VALUES ($1) ON CONFLICT DO NOTHING", lane)


async def charge(conn: Connection, lane: str, budget: Budget, wish: Wish) -> Grant:
    """Charge as many of these calls as the budget allows; none while the lane is paused.

    The lane stays locked until the end of the transaction: no two replicas count at once.
    """
    if not budget.is_limited:
        paused_s: float = await conn.fetchval(_PAUSED, lane)
        return Grant(0, paused_s) if paused_s else Grant(wish.count)
    if paused_s := await conn.fetchval(f"{_PAUSED} FOR UPDATE", lane):
        return Grant(0, paused_s)
    ages = await conn.fetch(
        """
        SELECT extract(epoch FROM clock_timestamp() - at)::float8 AS age FROM vendor_calls
        WHERE lane = $1 AND at > clock_timestamp() - make_interval(secs => $2) ORDER BY at DESC
        """,
        lane,
        budget.horizon_s,
    )
    granted = grant(budget, [row["age"] for row in ages], wish)
    await conn.execute(
        "INSERT INTO vendor_calls (lane, at) SELECT $1, clock_timestamp() FROM generate_series(1, $2)",
        lane,
        granted.count,
    )
    return granted


async def pause(conn: Connection, lane: str, first_s: float, longest_s: float, jitter: float) -> None:
    """Make no calls for a while, longer each time in a row; what fails while the lane is paused counts once."""
    await conn.execute(
        """
        UPDATE lanes SET
            strikes = least(strikes + 1, 20),
            paused_until = clock_timestamp() + make_interval(secs => least($2 * 2 ^ strikes, $3) * $4)
        WHERE lane = $1 AND paused_until <= clock_timestamp()
        """,
        lane,
        first_s,
        longest_s,
        jitter,
    )


async def forgive(conn: Connection, lane: str) -> None:
    """The vendor answers again: the next pause is a short one."""
    await conn.execute("UPDATE lanes SET strikes = 0 WHERE lane = $1 AND strikes > 0", lane)


async def prune(conn: Connection, older_than_s: float) -> None:
    """Forget calls that no budget asks about any more."""
    await conn.execute("DELETE FROM vendor_calls WHERE at < now() - make_interval(secs => $1)", older_than_s)
