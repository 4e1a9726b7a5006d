"""A delivery: an event in hand."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from closet_contracts.catalog import UnknownEventType
from closet_contracts.codec import MalformedEvent, decode
from closet_contracts.envelope import Event, EventData
from nats.aio.msg import Msg


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event, as delivered this time."""

    message: Msg
    event: Event[Any]

    @property
    def attempt(self) -> int:
        """How many times it has been delivered, this time included."""
        return self.message.metadata.num_delivered


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
    event = decode(message.data)
    if not _is_uuid(event.id):
        raise MalformedEvent(f"{event.type}: id is not a UUID in its usual form")
    return event


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
