"""The outbox: an event is stored with the state it tells of, and published from there."""

from collections.abc import AsyncIterator
from typing import TypeVar
from uuid import UUID

import orjson
from closet_chassis.lifecycle import StartRefused
from closet_chassis.postgres import Pool
from closet_chassis.telemetry import current_traceparent
from closet_contracts.catalog import EVENTS, STREAMS
from closet_contracts.codec import encode
from closet_contracts.envelope import Cause, Event, EventData, new_event
from closet_contracts.ownership import OWNERS, Service, noun_of, owner_of
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from closet_messaging.transaction import OutboxRow, Tx

D = TypeVar("D", bound=EventData)

MAX_BYTES = 512 << 10
"""The bus takes 1 MiB with headers. A row that it never takes would stay in the outbox for ever."""

_UNKNOWN = """
    SELECT published.id FROM unnest($1::uuid[]) AS published (id)
    WHERE NOT EXISTS (SELECT FROM outbox AS o WHERE o.id = published.id)
        AND NOT EXISTS (SELECT FROM outbox_deleted AS d WHERE published.id <= d.newest)
"""
_UNFINISHED = "SELECT since FROM recovery WHERE finished_at IS NULL"


class ForeignEvent(ValueError):
    """A service states facts about its own nouns only; no consumer would take this one."""


class EventTooLarge(ValueError):
    """Events carry ids and keys, never pictures."""


def add(tx: Tx, data: D, *, tenant: str, cause: Cause | None = None) -> Event[D]:
    """Emit an event with the transaction: it is published if and only if the transaction commits.

    Args:
        tx: the unit of work that the fact comes from.
        data: what happened.
        tenant: the tenant it belongs to.
        cause: the event being handled, if any; its trace is continued where no span is current.

    Raises:
        ForeignEvent: its noun belongs to another service than the unit of work.
        EventTooLarge: it is larger than `MAX_BYTES`.
    """
    if (owner := owner_of(data.TYPE)) is not tx.service:
        raise ForeignEvent(f"{data.TYPE} belongs to {owner}, not to {tx.service}")
    traceparent = current_traceparent() or (cause.traceparent if cause else None)
    event = new_event(data, tenant=tenant, cause=cause, traceparent=traceparent)
    payload = encode(event)
    if len(payload) > MAX_BYTES:
        raise EventTooLarge(f"{event.type} is {len(payload)} bytes")
    tx.outbox.append(OutboxRow(event.id, event.type, payload, traceparent))
    return event


class DatabaseBehindBus(StartRefused):
    """The database was restored from a backup, or is another database; or its recovery is not finished."""


async def verify_database_is_current(js: JetStreamContext, pool: Pool, service: Service) -> None:
    """Check that the service's database knows the last event of each type that it has published.

    An event is committed to the outbox before it is published, and a deleted row leaves a trace. An event of the
    service's own on the bus that its database does not know proves that the database is older than the bus.

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
                continue  # nothing was published, or what is there is no event of ours
