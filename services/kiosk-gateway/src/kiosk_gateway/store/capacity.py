"""What the vendor can make, and what waits for it."""

from collections import Counter

from closet_contracts.envelope import Event
from closet_contracts.generation import Priority
from closet_contracts.render import RenderCapacityChanged
from closet_messaging.transaction import Connection, Tx

from kiosk_gateway.domain.capacity import UNHEARD_OF, Capacity, Queue

PUT_CAPACITY = """
    INSERT INTO capacity AS c (vendor, available, per_minute, typical_s, measured_at, stopped_until)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (vendor) DO UPDATE
    SET available = $2, per_minute = $3, typical_s = $4, measured_at = $5, stopped_until = $6
    WHERE c.measured_at < $5
"""


def put_capacity(tx: Tx, event: Event[RenderCapacityChanged]) -> None:
    """Keep what was measured, unless something later is known."""
    fact = event.data
    tx.defer(
        PUT_CAPACITY,
        fact.aggregate(),
        fact.available,
        fact.per_minute,
        fact.typical_s,
        fact.measured_at,
        fact.stopped_until,
    )


async def read_queue(conn: Connection) -> Queue:
    """What can be made now, and what has not reached the vendor yet."""
    known = await conn.fetchrow(
        """
        SELECT available, per_minute, typical_s,
            coalesce(greatest(0, extract(epoch FROM stopped_until - now())), 0)::float8 AS stopped_s
        FROM capacity ORDER BY measured_at DESC LIMIT 1
        """
    )
    rows = await conn.fetch(
        """
        SELECT tenant_id, priority, sum(items - started)::int AS waiting FROM jobs
        WHERE ended_at IS NULL AND deadline > now() AND started < items GROUP BY tenant_id, priority
        """
    )
    waiting = Counter({(row["tenant_id"], Priority(row["priority"])): row["waiting"] for row in rows})
    return Queue(Capacity(*known) if known else UNHEARD_OF, waiting)
