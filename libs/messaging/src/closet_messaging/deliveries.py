"""A delivery: decode it, and acknowledge it. The only place that acknowledges events."""

from collections.abc import Awaitable, Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from closet_contracts.catalog import UnknownEventType
from closet_contracts.codec import MalformedEvent, decode
from closet_contracts.envelope import Event, EventData, source_of
from closet_contracts.ownership import Service
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from closet_messaging import dead_letters
from closet_messaging.dead_letters import DeadLetter
from closet_messaging.streams import event_type_of

log = structlog.get_logger(__name__)

DEAD_LETTER_RETRY_S = 30.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event, as delivered this time."""

    message: Msg
    event: Event[Any]

    @property
    def attempt(self) -> int:
        """How many times it has been delivered, this time included."""
        return self.message.metadata.num_delivered

    @property
    def stream(self) -> str:
        """The stream that stores it."""
        return self.message.metadata.stream

    @property
    def sequence(self) -> int:
        """Its sequence in the stream, the same at every delivery."""
        return self.message.metadata.sequence.stream


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """Messages by what can be done with them."""

    events: Sequence[Delivery]
    unknown: Sequence[Msg]
    malformed: Sequence[tuple[Msg, MalformedEvent]]


def decode_batch(messages: Sequence[Msg], handled: Container[type[EventData]]) -> DecodedBatch:
    """Decode a batch; a type that is not `handled` is as unknown as a type that the catalogue does not hold."""
    events: list[Delivery] = []
    unknown: list[Msg] = []
    malformed: list[tuple[Msg, MalformedEvent]] = []
    for message in messages:
        try:
            event = _decode(message)
            if type(event.data) in handled:
                events.append(Delivery(message, event))
            else:
                unknown.append(message)
        except UnknownEventType:
            unknown.append(message)
        except MalformedEvent as error:
            malformed.append((message, error))
    return DecodedBatch(events, unknown, malformed)


def _decode(message: Msg) -> Event[Any]:
    published_as = event_type_of(message.subject)
    try:
        event = decode(message.data)
    except UnknownEventType as unknown:
        if str(unknown) != published_as:
            raise MalformedEvent("its type is not what its subject says") from unknown
        raise
    # The bus lets a service publish on its own nouns' subjects only: the subject is the one word that cannot be forged.
    if event.type != published_as:
        raise MalformedEvent(f"{event.type} on the subject of another type")
    if event.source != source_of(event.type):
        raise MalformedEvent(f"{event.type}: its source does not own its noun")
    if not _is_uuid(event.id):
        raise MalformedEvent(f"{event.type}: id is not a UUID in its usual form")
    return event


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


class Acknowledger:
    """Acknowledges messages for one service. A lost acknowledgement costs a redelivery, which the inbox absorbs."""

    def __init__(self, nc: Client, service: Service) -> None:
        self._js = nc.jetstream()
        self._service = service

    async def ack(self, messages: Iterable[Msg]) -> None:
        """Acknowledge messages that were handled, and committed."""
        for message in messages:
            await _send(message.ack())

    async def nak(self, message: Msg, delay_s: float = 0.0) -> None:
        """Have it delivered again, to any replica, after at least `delay_s` seconds."""
        await _send(message.nak(delay=delay_s))

    async def in_progress(self, messages: Iterable[Msg]) -> None:
        """Restart the ack wait of messages that are being handled or wait for their turn."""
        for message in messages:
            if not message.is_acked:
                await _send(message.in_progress())

    async def dead_letter(
        self, message: Msg, error: Exception, delivery: Delivery | None = None, handler: str | None = None
    ) -> None:
        """Store a dead letter; end the deliveries only once the bus holds it."""
        letter = self._dead_letter(message, error, delivery, handler)
        log.error("dead_letter", type=letter.event_type, event_id=letter.event_id, reason=letter.error)
        try:
            await dead_letters.send(self._js, letter)
        except (Error, OSError):
            await self.nak(message, DEAD_LETTER_RETRY_S)
        else:
            await _send(message.term())

    def _dead_letter(
        self, message: Msg, error: Exception, delivery: Delivery | None, handler: str | None
    ) -> DeadLetter:
        return DeadLetter(
            service=self._service,
            subject=message.subject,
            stream=message.metadata.stream,
            stream_seq=message.metadata.sequence.stream,
            event_id=delivery.event.id if delivery else None,
            event_type=delivery.event.type if delivery else None,
            handler=handler,
            deliveries=message.metadata.num_delivered,
            error=dead_letters.summarise(error),
            failed_at=datetime.now(UTC),
            payload=message.data,
            headers=dict(message.headers or {}),
        )


async def _send(acknowledgement: Awaitable[None]) -> None:
    try:
        await acknowledgement
    except (Error, OSError) as error:
        log.warning("ack_not_sent", error=type(error).__name__)
