"""Does the database know what the service has said? One that was restored from a backup does not.

An event is committed to the outbox before it is published, and a deleted row leaves a trace. An event of the service's
own on the bus that its database does not know is proof that the database is older than the bus.
"""

from collections.abc import AsyncIterator
from uuid import UUID

import orjson
from closet_chassis.lifecycle import StartRefused
from closet_chassis.postgres import Pool
from closet_contracts.catalog import EVENTS, STREAMS
from closet_contracts.nouns import OWNERS, Service, noun_of
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

_UNKNOWN = """
    SELECT said.id FROM unnest($1::uuid[]) AS said (id)
    WHERE NOT EXISTS (SELECT FROM outbox AS o WHERE o.id = said.id)
        AND NOT EXISTS (SELECT FROM outbox_deleted AS d WHERE said.id <= d.newest)
"""
_UNFINISHED = "SELECT since FROM recovery WHERE finished_at IS NULL"


class DatabaseBehindBus(StartRefused):
    """The database was set back, or is another one; or its recovery was begun and not finished."""


async def verify_lineage(js: JetStreamContext, pool: Pool, service: Service) -> None:
    """Check that the last event of each type that the service owns is known to its database.

    Raises:
        DatabaseBehindBus: it is not, or a recovery is under way; the message names the command.
    """
    command = f"python -m {service.replace('-', '_')} recover --since <time of the backup>"
    if since := await pool.fetchval(_UNFINISHED):
        raise DatabaseBehindBus(f"a recovery since {since.isoformat()} is not finished: run `{command}` again")
    last = [event_id async for event_id in _last_events(js, service)]
    if unknown := await pool.fetch(_UNKNOWN, last):
        raise DatabaseBehindBus(
            f"the database is older than the bus, which holds {unknown[0]['id']} of this service: it was restored"
            f" from a backup, or is another one. Stop all replicas and run `{command}`"
        )


async def _last_events(js: JetStreamContext, service: Service) -> AsyncIterator[UUID]:
    streams = {stream.noun: stream.name for stream in STREAMS if OWNERS[stream.noun] is service}
    for model in EVENTS:
        if noun_of(model.TYPE) in streams:
            try:
                message = await js.get_last_msg(streams[noun_of(model.TYPE)], model.TYPE)
                yield UUID(orjson.loads(message.data or b"")["id"])
            except (NotFoundError, ValueError, KeyError, TypeError):
                continue  # nothing was said, or what is there is no event of ours
