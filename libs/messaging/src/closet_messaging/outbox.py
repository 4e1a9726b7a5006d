"""The outbox: an event is stored with the state it tells of, and published from there."""

from typing import TypeVar

from closet_chassis.telemetry import current_traceparent
from closet_contracts.codec import encode
from closet_contracts.envelope import Cause, Event, EventData, new_event
from closet_contracts.nouns import owner_of

from closet_messaging.relay import Relay
from closet_messaging.unit import OutboxRow, Tx

__all__ = ["Relay", "add"]

D = TypeVar("D", bound=EventData)

MAX_BYTES = 512 << 10
"""The bus takes 1 MiB with headers. A row that it never takes would stay in the outbox for ever."""


class ForeignEvent(ValueError):
    """A service states facts about its own nouns only; no consumer would take this one."""


class EventTooLarge(ValueError):
    """Events carry ids and keys, never pictures."""


def add(tx: Tx, data: D, *, tenant: str, cause: Cause | None = None) -> Event[D]:
    """Emit an event with the transaction: it is published if and only if the transaction commits.

    Args:
        tx: the unit of work that the fact comes from.
        data: what happened.
        tenant: whose it is.
        cause: the event being handled, if any; its trace is continued where no span is current.

    Raises:
        ForeignEvent: its noun belongs to another service than the unit of work.
        EventTooLarge: it is larger than `MAX_BYTES`.
    """
    if (owner := owner_of(data.TYPE)) is not tx.service:
        raise ForeignEvent(f"{data.TYPE} is {owner}'s to say, not {tx.service}'s")
    traceparent = current_traceparent() or (cause.traceparent if cause else None)
    event = new_event(data, tenant=tenant, cause=cause, traceparent=traceparent)
    payload = encode(event)
    if len(payload) > MAX_BYTES:
        raise EventTooLarge(f"{event.type} is {len(payload)} bytes")
    tx.outbox.append(OutboxRow(event.id, event.type, payload, traceparent))
    return event
