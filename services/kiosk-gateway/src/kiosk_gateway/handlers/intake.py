"""Accept jobs in natural batches: the requests that arrive while a transaction commits form the next one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter

from closet_chassis.batching import Batcher
from closet_chassis.problems import Problem
from closet_contracts.credit import Price, Unpriceable, price
from closet_contracts.generation import GenerationRequested, Input, Priority
from closet_contracts.ids import new_id
from closet_contracts.ownership import Service
from closet_contracts.work import Work, tasks_of
from closet_messaging import outbox
from closet_messaging.transaction import Begin, Tx
from opentelemetry import context as tracing
from prometheus_client import Histogram

from kiosk_gateway.domain import refusals
from kiosk_gateway.domain.access import account_of
from kiosk_gateway.handlers.admission import Admission
from kiosk_gateway.handlers.idempotency import resolve, without_duplicate_keys
from kiosk_gateway.handlers.problems import problem
from kiosk_gateway.store import intake as store
from kiosk_gateway.store.idempotency import Answer, Key

MAX_QUEUED = 4096
BATCH_SIZE = Histogram(
    "closet_intake_batch_size", "Job requests handled in one transaction", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A client's request for a job, with the trace of its HTTP request."""

    tenant: str
    user: str
    work: Work
    inputs: tuple[Input, ...]
    key: Key | None
    quote_id: str | None = None
    priority: Priority = Priority.INTERACTIVE
    job_id: str = field(default_factory=lambda: new_id("job"))
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    trace: tracing.Context = field(default_factory=tracing.get_current)

    @property
    def person(self) -> store.Person:
        """The tenant's user who asks."""
        return self.tenant, self.user

    @property
    def quote(self) -> store.QuoteName | None:
        """The quote that sets the price."""
        return (*self.person, self.quote_id) if self.quote_id else None

    @property
    def items(self) -> int:
        """The number of tasks."""
        return len(tasks_of(self.work))


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was decided about a request that becomes a job. `consent_given_at`: None if no consent is needed."""

    price: Price
    consent_given_at: datetime | None
    estimated_s: int


@dataclass(frozen=True, slots=True)
class Decision:
    """A request and its outcome."""

    request: JobRequest
    outcome: Accepted | Problem

    @property
    def key(self) -> Key | None:
        """The request's idempotency key."""
        return self.request.key

    @property
    def answer(self) -> Answer | Problem:
        """The answer to the client, now and whenever the request is repeated."""
        if isinstance(self.outcome, Problem):
            return self.outcome
        return {
            "jobId": self.request.job_id,
            "estimatedTime": self.outcome.estimated_s,
            "credits": self.outcome.price.credits,
            "usdCents": self.outcome.price.usd_cents,
        }


class Intake:
    """Accepts jobs, one transaction for all requests that wait."""

    def __init__(self, begin: Begin, admission: Admission, consent_version: str, deadline_s: int) -> None:
        self._begin = begin
        self._admission = admission
        self._consent_version = consent_version
        self._deadline = timedelta(seconds=deadline_s)
        self._batcher = Batcher(self._handle)
        self._queued = 0

    async def submit(self, request: JobRequest) -> Answer:
        """Accept the request, or return the answer of the first request with its key.

        Raises:
            Problem: the request is refused.
        """
        if self._queued >= MAX_QUEUED:
            raise problem(refusals.OVERLOADED)
        self._queued += 1
        try:
            answer = await self._batcher.submit(request)
        finally:
            self._queued -= 1
        if isinstance(answer, Problem):
            raise answer
        return answer

    async def _handle(self, batch: Sequence[JobRequest]) -> list[Answer | Problem]:
        BATCH_SIZE.observe(len(batch))
        answers: dict[str, Answer | Problem] = {}
        async with self._begin() as tx:
            for group in without_duplicate_keys(batch, attrgetter("key")):
                answers |= await self._handle_group(tx, group)
        return [answers[request.job_id] for request in batch]

    async def _handle_group(self, tx: Tx, group: Sequence[JobRequest]) -> dict[str, Answer | Problem]:
        resolved = await resolve(tx.conn, await self._decide_all(tx, group))
        await self._add_jobs(tx, [each.proposal for each in resolved if each.is_new])
        return {each.proposal.request.job_id: each.answer for each in resolved}

    async def _decide_all(self, tx: Tx, group: Sequence[JobRequest]) -> list[Decision]:
        uploads = {each.upload_id for request in group for each in request.inputs}
        persons, quotes = {request.person for request in group}, {request.quote for request in group if request.quote}
        facts = await store.read_facts(tx.conn, uploads, persons, self._consent_version, quotes)
        await self._admission.refresh(tx.conn)
        return [Decision(request, await self._decide(tx, request, facts)) for request in group]

    async def _decide(self, tx: Tx, request: JobRequest, facts: store.Facts) -> Accepted | Problem:
        if refused := check_entitlement(request, facts):
            return refused
        cost = price_of(request, facts)
        if isinstance(cost, Problem):
            return cost
        wait_s = self._admission.admit(request.tenant, request.priority, request.items)
        if isinstance(wait_s, Problem):
            return wait_s
        typical_s = await self._admission.typical_s(tx.conn, request.work)
        return Accepted(cost, facts.consents.get(request.person) if request.inputs else None, wait_s + typical_s)

    async def _add_jobs(self, tx: Tx, decisions: Sequence[Decision]) -> None:
        accepted = [(each.request, each.outcome) for each in decisions if isinstance(each.outcome, Accepted)]
        if not accepted:
            return
        jobs = [self._new_job(request, outcome) for request, outcome in accepted]
        await store.add_jobs(tx.conn, jobs, GenerationRequested.TYPE, Service.KIOSK_GATEWAY)
        for request, outcome in accepted:
            with _traced_as(request.trace):
                outbox.add(tx, self._event(request, outcome), tenant=request.tenant)

    def _new_job(self, request: JobRequest, accepted: Accepted) -> store.NewJob:
        return store.NewJob(
            job_id=request.job_id,
            tenant=request.tenant,
            user=request.user,
            kind=request.work.kind,
            priority=request.priority,
            items=request.items,
            credits=accepted.price.credits,
            usd_cents=accepted.price.usd_cents,
            created_at=request.created_at,
            deadline=request.created_at + self._deadline,
            inputs=request.inputs,
        )

    def _event(self, request: JobRequest, accepted: Accepted) -> GenerationRequested:
        return GenerationRequested(
            job_id=request.job_id,
            user_id=request.user,
            work=request.work,
            inputs=request.inputs,
            price=accepted.price,
            quote_id=request.quote_id,
            priority=request.priority,
            consent_given_at=accepted.consent_given_at,
            deadline=request.created_at + self._deadline,
        )


def check_entitlement(request: JobRequest, facts: store.Facts) -> Problem | None:
    """Return the problem if an input is not the person's own, or a consent is missing."""
    if any(facts.owners.get(each.upload_id) != request.person for each in request.inputs):
        return problem(refusals.INPUT_NOT_FOUND)
    # Pictures show persons, words do not.
    if request.inputs and request.person not in facts.consents:
        return problem(refusals.CONSENT_REQUIRED)
    return None


def price_of(request: JobRequest, facts: store.Facts) -> Price | Problem:
    """Return the price by the named quote or by the price book; a problem if the account cannot pay it."""
    cost = _quoted_price(request, facts) if request.quote else _listed_price(request, facts)
    if isinstance(cost, Problem):
        return cost
    # billing-meter decides about accounts of which no balance is known here.
    is_covered = facts.available.get(account_of(request.tenant), cost.credits) >= cost.credits
    return cost if is_covered else problem(refusals.INSUFFICIENT_CREDITS)


def _quoted_price(request: JobRequest, facts: store.Facts) -> Price | Problem:
    quote = facts.quotes.get(request.quote) if request.quote else None
    if quote is None:
        return problem(refusals.QUOTE_NOT_FOUND)
    if quote.expires_at <= request.created_at:
        return problem(refusals.QUOTE_EXPIRED)
    return quote.price if quote.item == request.work.chargeable() else problem(refusals.QUOTE_MISMATCH)


def _listed_price(request: JobRequest, facts: store.Facts) -> Price | Problem:
    if facts.book is None:
        return problem(refusals.UNAVAILABLE)
    try:
        return price(facts.book.of(request.tenant), request.work.chargeable())
    except Unpriceable:
        return problem(refusals.UNPRICEABLE)


@contextmanager
def _traced_as(trace: tracing.Context) -> Iterator[None]:
    """Continue the trace of one request, although the transaction serves many."""
    token = tracing.attach(trace)
    try:
        yield
    finally:
        tracing.detach(token)
