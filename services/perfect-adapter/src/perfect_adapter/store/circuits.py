"""Circuit breakers, one for each feature that has failed."""

from collections.abc import Sequence

from closet_messaging.transaction import Connection

from perfect_adapter.domain.breaker import Circuit


async def read(conn: Connection) -> list[Circuit]:
    """The circuits of features that have failed of late."""
    rows = await conn.fetch(
        """
        SELECT feature, failures, greatest(0, extract(epoch FROM open_until - now()))::float8 AS open_s FROM circuits
        WHERE failures > 0
        """
    )
    return [Circuit(row["feature"], row["failures"], row["open_s"]) for row in rows]


async def block(conn: Connection, feature: str, seconds: float) -> None:
    """Nothing of this feature for a while."""
    await conn.execute(
        "UPDATE circuits SET open_until = now() + make_interval(secs => $2) WHERE feature = $1", feature, seconds
    )


async def count_failure(conn: Connection, feature: str) -> int:
    """One more in a row; how many are there now?"""
    failures: int = await conn.fetchval(
        """
        INSERT INTO circuits AS c (feature, failures) VALUES ($1, 1)
        ON CONFLICT (feature) DO UPDATE SET failures = c.failures + 1 RETURNING failures
        """,
        feature,
    )
    return failures


async def close(conn: Connection, features: Sequence[str]) -> None:
    """They work."""
    await conn.execute(
        "UPDATE circuits SET failures = 0, open_until = 'epoch' WHERE feature = ANY($1) AND failures > 0",
        sorted(set(features)),
    )
