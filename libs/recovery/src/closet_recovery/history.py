"""What has happened since a moment, read from the streams into the database that is to catch up with it."""

from collections.abc import AsyncIterator, Callable, Container
from datetime import datetime
from typing import Any

from closet_chassis.postgres import Pool
from closet_contracts.catalog import EVENTS, STREAMS, Stream, UnknownEventType
from closet_contracts.codec import MalformedEvent, decode
from closet_contracts.envelope import Event
from closet_contracts.ownership import OWNERS, Service
from closet_messaging.streams import REPLAY, subscriptions
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

_AT_ONCE = 500
_ADD = """
    INSERT INTO recovery_events (event_id, own, cause, thing, at, payload) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING
"""
# What led to something of ours is taken when that was told: in the order in which it was handled, not that in which it
# came. Of two jobs that wanted the last credits it is the same one that gets them.
_IN_ORDER_OF_EFFECTS = """
    UPDATE recovery_events AS e SET at = o.at
    FROM (SELECT cause, min(at) AS at FROM recovery_events WHERE own GROUP BY cause) AS o
    WHERE NOT e.own AND e.event_id = o.cause AND e.at < o.at
"""


async def read_history(js: JetStreamContext, pool: Pool, service: Service, since: datetime) -> int:
    """Copy all that the service said or was given since then to `recovery_events`; returns how many.

    What the bus has not delivered yet is left out: it will come by itself.
    """
    types = {model.TYPE for model, readers in EVENTS.items() if service in readers}
    count = 0
    for stream in STREAMS:
        if OWNERS[stream.noun] is service:
            count += await _copy(js, pool, stream, since, own=True, wanted=lambda _: True)
    for one in subscriptions(service):
        if one.stream is not REPLAY:
            delivered = (await js.consumer_info(one.stream.name, service)).delivered.stream_seq
            count += await _copy(js, pool, one.stream, since, own=False, wanted=_delivered(types, delivered))
    await pool.execute(_IN_ORDER_OF_EFFECTS)
    return count


def _delivered(types: Container[str], last: int) -> Callable[[Msg], bool]:
    return lambda message: message.subject in types and message.metadata.sequence.stream <= last


async def _copy(  # noqa: PLR0913 what and where
    js: JetStreamContext, pool: Pool, stream: Stream, since: datetime, *, own: bool, wanted: Callable[[Msg], bool]
) -> int:
    count = 0
    async for batch in _batches(js, stream, since):
        rows = [_row(message, event, own=own) for message in batch if wanted(message) and (event := _event(message))]
        await pool.executemany(_ADD, rows)
        count += len(rows)
    return count


async def _batches(js: JetStreamContext, stream: Stream, since: datetime) -> AsyncIterator[list[Msg]]:
    config = ConsumerConfig(
        ack_policy=AckPolicy.NONE, deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=since, mem_storage=True
    )
    reader = await js.pull_subscribe(stream.subjects, stream=stream.name, config=config)
    try:
        left = (await reader.consumer_info()).num_pending or 0
        while left > 0:
            batch = await reader.fetch(min(left, _AT_ONCE), timeout=10)
            left -= len(batch)
            yield batch
    finally:
        await reader.unsubscribe()


def _event(message: Msg) -> Event[Any] | None:
    try:
        return decode(message.data)
    except (MalformedEvent, UnknownEventType):
        return None  # nobody handled it the first time either


def _row(message: Msg, event: Event[Any], *, own: bool) -> tuple[object, ...]:
    thing = f"{event.type} {event.subject}"
    return event.id, own, event.causationid, thing, message.metadata.timestamp, message.data
