"""A delivery: an event in hand."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from closet_contracts.catalog import UnknownEventType
from closet_contracts.codec import MalformedEvent, decode
from closet_contracts.envelope import Event, EventData, source_of
from nats.aio.msg import Msg

from closet_messaging.streams import type_in


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
        """Where it is stored."""
        return self.message.metadata.stream

    @property
    def number(self) -> int:
        """Its number in the stream, the same whenever it is delivered."""
        return self.message.metadata.sequence.stream


@dataclass(frozen=True, slots=True)
class Sorted:
    """Messages by what can be done with them."""

    events: Sequence[Delivery]
    unknown: Sequence[Msg]
    malformed: Sequence[tuple[Msg, MalformedEvent]]


def sort(messages: Sequence[Msg], handled: Container[type[EventData]]) -> Sorted:
    """Decode a batch; a type that is not `handled` is as unknown as one that the catalogue does not hold."""
    events: list[Delivery] = []
    unknown: list[Msg] = []
    malformed: list[tuple[Msg, MalformedEvent]] = []
    for message in messages:
        try:
            event = _event(message)
            if type(event.data) in handled:
                events.append(Delivery(message, event))
            else:
                unknown.append(message)
        except UnknownEventType:
            unknown.append(message)
        except MalformedEvent as error:
            malformed.append((message, error))
    return Sorted(events, unknown, malformed)


def _event(message: Msg) -> Event[Any]:
    told = type_in(message.subject)
    try:
        event = decode(message.data)
    except UnknownEventType as unknown:
        if str(unknown) != told:
            raise MalformedEvent("its type is not what its subject says") from unknown
        raise
    # The bus lets a service publish on its own nouns' subjects only: the subject is the one word that cannot be forged.
    if event.type != told:
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
