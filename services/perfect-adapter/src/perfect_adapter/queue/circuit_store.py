"""Circuit breakers, one for each feature that has failed."""

from collections.abc import Sequence

from closet_messaging.unit import Connection

from perfect_adapter.queue.breaker import Circuit


async def read(conn: Connection) -> list[Circuit]:
    """Return the circuits of features that have failed lately."""
    rows = await conn.fetch(
        """
        SELECT feature, failures, greatest(0, extract(epoch FROM open_until - now()))::float8 AS open_s FROM circuits
        WHERE failures > 0
        """
    )
    return [Circuit(row["feature"], row["failures"], row["open_s"]) for row in rows]


async def open_for(conn: Connection, feature: str, seconds: float) -> None:
    """Open a feature's circuit for a while."""
    await conn.execute(
        "UPDATE circuits SET open_until = now() + make_interval(secs => $2) WHERE feature = $1", feature, seconds
    )


async def count_failure(conn: Connection, feature: str) -> int:
    """Count one more failure in a row, and return how many there are."""
    failures: int = await conn.fetchval(
        """
        INSERT INTO circuits AS c (feature, failures) VALUES ($1, 1)
        ON CONFLICT (feature) DO UPDATE SET failures = c.failures + 1 RETURNING failures
        """,
        feature,
    )
    return failures


async def close(conn: Connection, features: Sequence[str]) -> None:
    """Close the circuits of these features."""
    await conn.execute(
        "UPDATE circuits SET failures = 0, open_until = 'epoch' WHERE feature = ANY($1) AND failures > 0",
        sorted(set(features)),
    )
