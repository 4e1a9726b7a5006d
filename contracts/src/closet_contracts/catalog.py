"""The catalogue: every event with its consumers, every request with its askers.

Streams, consumers, bus permissions, schemas and documents are all made from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from closet_contracts.credit import (
    CreditBalanceChanged,
    CreditBalanceLow,
    CreditCaptured,
    CreditDenied,
    CreditHeld,
    CreditPricesPublished,
    CreditReleased,
)
from closet_contracts.envelope import EventData
from closet_contracts.generation import GenerationCancelRequested, GenerationRequested
from closet_contracts.job import (
    JobAccepted,
    JobCancelled,
    JobCompleted,
    JobDispatched,
    JobExpired,
    JobFailed,
    JobStopRequested,
)
from closet_contracts.model import Model
from closet_contracts.ownership import OWNERS, Service, noun_of
from closet_contracts.person import PersonConsentGiven, PersonConsentWithdrawn
from closet_contracts.render import RenderCapacityChanged, RenderFailed, RenderStarted, RenderSucceeded
from closet_contracts.rpc import (
    ListTemplates,
    QuotePrice,
    ReadLedger,
    ReadStatement,
    ReadSubscription,
    Reconcile,
    Request,
    SignGet,
    SignPut,
)
from closet_contracts.upload import UploadReady, UploadRejected

EVENTS: dict[type[EventData], frozenset[Service]] = {
    GenerationRequested: frozenset({Service.JOB_ORCHESTRATOR}),
    GenerationCancelRequested: frozenset({Service.JOB_ORCHESTRATOR}),
    JobAccepted: frozenset({Service.UPLOAD_SIGNER, Service.BILLING_METER, Service.KIOSK_GATEWAY}),
    JobDispatched: frozenset({Service.PERFECT_ADAPTER, Service.KIOSK_GATEWAY}),
    JobStopRequested: frozenset({Service.PERFECT_ADAPTER}),
    JobCompleted: frozenset({Service.BILLING_METER, Service.KIOSK_GATEWAY}),
    JobFailed: frozenset({Service.BILLING_METER, Service.KIOSK_GATEWAY}),
    JobCancelled: frozenset({Service.PERFECT_ADAPTER, Service.BILLING_METER, Service.KIOSK_GATEWAY}),
    JobExpired: frozenset({Service.PERFECT_ADAPTER, Service.BILLING_METER, Service.KIOSK_GATEWAY}),
    UploadReady: frozenset({Service.JOB_ORCHESTRATOR, Service.KIOSK_GATEWAY}),
    UploadRejected: frozenset({Service.JOB_ORCHESTRATOR, Service.KIOSK_GATEWAY}),
    CreditHeld: frozenset({Service.JOB_ORCHESTRATOR, Service.KIOSK_GATEWAY}),
    CreditDenied: frozenset({Service.JOB_ORCHESTRATOR, Service.KIOSK_GATEWAY}),
    CreditCaptured: frozenset({Service.KIOSK_GATEWAY}),
    CreditReleased: frozenset({Service.KIOSK_GATEWAY}),
    CreditBalanceChanged: frozenset({Service.KIOSK_GATEWAY}),
    CreditBalanceLow: frozenset(),
    CreditPricesPublished: frozenset({Service.KIOSK_GATEWAY}),
    RenderStarted: frozenset({Service.JOB_ORCHESTRATOR, Service.KIOSK_GATEWAY}),
    RenderSucceeded: frozenset({Service.JOB_ORCHESTRATOR, Service.BILLING_METER, Service.KIOSK_GATEWAY}),
    RenderFailed: frozenset({Service.JOB_ORCHESTRATOR, Service.BILLING_METER, Service.KIOSK_GATEWAY}),
    RenderCapacityChanged: frozenset({Service.KIOSK_GATEWAY}),
    PersonConsentGiven: frozenset(),
    PersonConsentWithdrawn: frozenset({Service.JOB_ORCHESTRATOR}),
}
"""Event -> the services that subscribe to it."""

OPERATOR = "operator"
"""The asker that is no service: the `closet` command in an operator's hands."""

REQUESTS: dict[type[Request[Model]], frozenset[str]] = {
    SignPut: frozenset({Service.KIOSK_GATEWAY}),
    SignGet: frozenset({Service.KIOSK_GATEWAY}),
    QuotePrice: frozenset({Service.KIOSK_GATEWAY}),
    ListTemplates: frozenset({Service.KIOSK_GATEWAY}),
    ReadLedger: frozenset({OPERATOR}),
    ReadStatement: frozenset({Service.KIOSK_GATEWAY, OPERATOR}),
    ReadSubscription: frozenset({Service.KIOSK_GATEWAY, OPERATOR}),
    Reconcile: frozenset({OPERATOR}),
}
"""Request -> those who may ask it; the service in its subject answers."""

_MODELS = {model.TYPE: model for model in EVENTS}


class UnknownEventType(LookupError):
    """The catalogue holds no such event type: a newer producer, or a foreign message."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A JetStream stream: all facts about one noun."""

    name: str
    noun: str

    @property
    def subjects(self) -> str:
        return f"closet.{self.noun}.>"


STREAMS: tuple[Stream, ...] = tuple(Stream(f"CLOSET_{noun.upper()}", noun) for noun in OWNERS)


def model_of(event_type: str) -> type[EventData]:
    """The model of an event type.

    Raises:
        UnknownEventType: the catalogue does not hold it.
    """
    try:
        return _MODELS[event_type]
    except KeyError:
        raise UnknownEventType(event_type) from None


def subscriptions_of(service: Service) -> Iterator[tuple[Stream, tuple[str, ...]]]:
    """The streams a service reads, each with the event types it wants from it, sorted."""
    for stream in STREAMS:
        wanted = sorted(
            model.TYPE for model, readers in EVENTS.items() if service in readers and noun_of(model.TYPE) == stream.noun
        )
        if wanted:
            yield stream, tuple(wanted)


def answerer_of(request: type[Request[Model]]) -> Service:
    """The service that answers a request."""
    return Service(request.SUBJECT.split(".")[2])
