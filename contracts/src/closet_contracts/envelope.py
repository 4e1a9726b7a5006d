"""The envelope of every event: CloudEvents 1.0, structured JSON (https://github.com/cloudevents/spec)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Generic, Protocol, TypeVar

from uuid_utils import uuid7

from closet_contracts.model import Model
from closet_contracts.ownership import owner_of


class EventData(Model):
    """What happened. A subclass names its event type; the type is also the NATS subject."""

    TYPE: ClassVar[str]

    def aggregate(self) -> str:
        """The CloudEvents `subject`: the one thing this fact is about, such as `jobs/job_...`."""
        raise NotImplementedError

    def correlation(self) -> str:
        """What the fact belongs to, across services: the job where there is one."""
        return self.aggregate().partition("/")[2]


D_co = TypeVar("D_co", bound=EventData, covariant=True)
D = TypeVar("D", bound=EventData)


@dataclass(frozen=True, slots=True)
class Event(Generic[D_co]):
    """One fact with its envelope. Attribute names are CloudEvents' own, hence without underscores."""

    data: D_co
    tenantid: str
    source: str
    id: str = field(default_factory=lambda: str(uuid7()))
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    correlationid: str = ""
    causationid: str | None = None
    traceparent: str | None = None

    @property
    def type(self) -> str:
        """The event type, which is also the subject it is published on."""
        return self.data.TYPE

    @property
    def subject(self) -> str:
        """The thing this fact is about, such as `jobs/job_...`."""
        return self.data.aggregate()


class Cause(Protocol):
    """What an event says of the one that led to it: that event itself, or what a row has kept of it."""

    @property
    def id(self) -> str: ...

    @property
    def traceparent(self) -> str | None: ...


def source_of(event_type: str) -> str:
    """The one CloudEvents `source` that an event type may come from: the owner of its noun."""
    return f"closet/{owner_of(event_type)}"


def new_event(data: D, *, tenant: str, cause: Cause | None = None, traceparent: str | None = None) -> Event[D]:
    """A new event about `data`.

    Args:
        data: what happened.
        tenant: whose it is.
        cause: the event whose handling led to this one, if any.
        traceparent: the trace it belongs to (W3C Trace Context).
    """
    return Event(
        data=data,
        tenantid=tenant,
        source=source_of(data.TYPE),
        correlationid=data.correlation(),
        causationid=cause.id if cause else None,
        traceparent=traceparent,
    )
