"""Samples of how far the vendor's clock is ahead of the database's, measured by all replicas."""

from closet_messaging.unit import Connection

from perfect_adapter.vendor.clock import SAMPLED_EVERY_S, SAMPLES


async def add(conn: Connection, vendor_s: float, ago_s: float) -> None:
    """Add a sample: the vendor's clock showed `vendor_s` (epoch seconds) `ago_s` seconds ago.

    A few are kept, some time apart.
    """
    await conn.execute(
        """
        UPDATE vendor_clock SET sampled_at = clock_timestamp(), samples = (
            samples || ($1::float8 - extract(epoch FROM clock_timestamp())::float8 + $2::float8)
        )[greatest(1, cardinality(samples) + 2 - $3::integer):]
        WHERE sampled_at < clock_timestamp() - make_interval(secs => $4)
        """,
        vendor_s,
        ago_s,
        SAMPLES,
        SAMPLED_EVERY_S,
    )


async def read(conn: Connection) -> list[float]:
    """Return the seconds that the vendor's clock was ahead, the newest last."""
    return list(await conn.fetchval("SELECT samples FROM vendor_clock"))
