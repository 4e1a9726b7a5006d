"""How far the vendor's clock is ahead of this database's, as all replicas have measured it."""

from closet_messaging.transaction import Connection

from perfect_adapter.domain.clock import SAMPLED_EVERY_S, SAMPLES


async def note(conn: Connection, vendor_s: float, ago_s: float) -> None:
    """The vendor's clock showed `vendor_s` (epoch seconds) `ago_s` seconds ago. A few are kept, some time apart."""
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


async def samples(conn: Connection) -> list[float]:
    """Seconds that the vendor's clock was ahead, the newest last."""
    return list(await conn.fetchval("SELECT samples FROM vendor_clock"))
