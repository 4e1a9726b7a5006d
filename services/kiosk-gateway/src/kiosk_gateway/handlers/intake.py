"""Taking on try-ons: whatever arrives while the last transaction commits is the next one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from closet_chassis.batching import Batcher
from closet_chassis.problems import Problem
from closet_contracts.credit import Price, Unpriceable, price
from closet_contracts.generation import GenerationRequested, Input
from closet_contracts.ids import new_id
from closet_contracts.nouns import Service
from closet_contracts.work import Role, TryOn
from closet_messaging import outbox
from closet_messaging.unit import Begin, Tx
from opentelemetry import context as tracing
from prometheus_client import Histogram

from kiosk_gateway.domain.access import account_of
from kiosk_gateway.domain.refusals import (
    CONSENT_REQUIRED,
    INPUT_NOT_FOUND,
    INSUFFICIENT_CREDITS,
    OVERLOADED,
    UNAVAILABLE,
    UNPRICEABLE,
)
from kiosk_gateway.handlers.idempotency import rounds, settle
from kiosk_gateway.handlers.pace import Pace
from kiosk_gateway.handlers.refusing import refuse
from kiosk_gateway.store import intake as store
from kiosk_gateway.store.idempotency import Answer, Key

ROOM = 4096
BATCHES = Histogram(
    "closet_intake_batch_size", "Requests taken on in one transaction", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A try-on that a client asks for, with the trace of its request."""

    tenant: str
    user: str
    work: TryOn
    person: str
    garment: str
    key: Key | None
    job_id: str = field(default_factory=lambda: new_id("job"))
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    trace: tracing.Context = field(default_factory=tracing.get_current)


@dataclass(frozen=True, slots=True)
class Offer:
    """A request that can be taken on: what it costs, and since when its person consents."""

    asked: Asked
    price: Price
    consent_given_at: datetime
    estimated_s: int

    @property
    def answer(self) -> Answer:
        """What the client is told, now and whenever it asks again."""
        return {
            "jobId": self.asked.job_id,
            "estimatedTime": self.estimated_s,
            "credits": self.price.credits,
            "usdCents": self.price.usd_cents,
        }


class Intake:
    """Takes try-ons on, a transaction for all that wait."""

    def __init__(self, begin: Begin, pace: Pace, consent_version: str, deadline_s: int) -> None:
        self._begin = begin
        self._pace = pace
        self._consent_version = consent_version
        self._lives = timedelta(seconds=deadline_s)
        self._batcher = Batcher(self._take)
        self._waiting = 0

    async def take(self, asked: Asked) -> Answer:
        """Take a try-on on, or answer what it was answered before.

        Raises:
            Problem: why not.
        """
        if self._waiting >= ROOM:
            raise refuse(OVERLOADED)
        self._waiting += 1
        try:
            answer = await self._batcher.submit(asked)
        finally:
            self._waiting -= 1
        if isinstance(answer, Problem):
            raise answer
        return answer

    async def _take(self, batch: Sequence[Asked]) -> list[Answer | Problem]:
        BATCHES.observe(len(batch))
        answers: dict[str, Answer | Problem] = {}
        async with self._begin() as tx:
            for group in rounds(batch, lambda asked: asked.key):
                answers |= await self._decide(tx, group)
        return [answers[asked.job_id] for asked in batch]

    async def _decide(self, tx: Tx, group: Sequence[Asked]) -> dict[str, Answer | Problem]:
        judged = await self._judge(tx, group)
        offers = [each.answer if isinstance(each, Offer) else each for each in judged]
        settled = await settle(tx.conn, list(zip([asked.key for asked in group], offers, strict=True)))
        taken = [
            each for each, outcome in zip(judged, settled, strict=True) if outcome.fresh and isinstance(each, Offer)
        ]
        await self._add(tx, taken)
        return {asked.job_id: outcome.answer for asked, outcome in zip(group, settled, strict=True)}

    async def _judge(self, tx: Tx, group: Sequence[Asked]) -> list[Offer | Problem]:
        uploads = {upload for asked in group for upload in (asked.person, asked.garment)}
        persons = {(asked.tenant, asked.user) for asked in group}
        known = await store.look_up(tx.conn, uploads, persons, self._consent_version)
        estimated_s = await self._pace.seconds(tx.conn, "tryon")
        return [_judge(asked, known, estimated_s) for asked in group]

    async def _add(self, tx: Tx, offers: Sequence[Offer]) -> None:
        if not offers:
            return
        jobs = [self._new_job(offer) for offer in offers]
        await store.add_jobs(tx.conn, jobs, GenerationRequested.TYPE, Service.KIOSK_GATEWAY)
        for offer, job in zip(offers, jobs, strict=True):
            with _within(offer.asked.trace):
                outbox.add(tx, _fact(offer, job.deadline), tenant=job.tenant)

    def _new_job(self, offer: Offer) -> store.NewJob:
        asked = offer.asked
        return store.NewJob(
            job_id=asked.job_id,
            tenant=asked.tenant,
            user=asked.user,
            kind=asked.work.kind,
            credits=offer.price.credits,
            usd_cents=offer.price.usd_cents,
            created_at=asked.at,
            deadline=asked.at + self._lives,
        )


def _judge(asked: Asked, known: store.Known, estimated_s: int) -> Offer | Problem:
    who = (asked.tenant, asked.user)
    if any(known.owners.get(upload) != who for upload in (asked.person, asked.garment)):
        return refuse(INPUT_NOT_FOUND)
    if who not in known.consents:
        return refuse(CONSENT_REQUIRED)
    if known.book is None:
        return refuse(UNAVAILABLE)
    try:
        cost = price(known.book, asked.work.chargeable())
    except Unpriceable:
        return refuse(UNPRICEABLE)
    # Of an account that nothing was heard of, billing-meter knows better.
    if known.available.get(account_of(asked.tenant), cost.credits) < cost.credits:
        return refuse(INSUFFICIENT_CREDITS)
    return Offer(asked, cost, known.consents[who], estimated_s)


def _fact(offer: Offer, deadline: datetime) -> GenerationRequested:
    asked = offer.asked
    return GenerationRequested(
        job_id=asked.job_id,
        user_id=asked.user,
        work=asked.work,
        inputs=(
            Input(role=Role.PERSON, upload_id=asked.person),
            Input(role=Role.GARMENT, upload_id=asked.garment),
        ),
        price=offer.price,
        consent_given_at=offer.consent_given_at,
        deadline=deadline,
    )


@contextmanager
def _within(trace: tracing.Context) -> Iterator[None]:
    """Inside the trace of one request, though the transaction serves many."""
    token = tracing.attach(trace)
    try:
        yield
    finally:
        tracing.detach(token)
