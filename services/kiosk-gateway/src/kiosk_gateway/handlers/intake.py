"""Taking on work: whatever arrives while the last transaction commits is the next one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from closet_chassis.batching import Batcher
from closet_chassis.problems import Problem
from closet_contracts.generation import GenerationRequested
from closet_contracts.ownership import Service
from closet_messaging import outbox
from closet_messaging.transaction import Begin, Tx
from opentelemetry import context as tracing
from prometheus_client import Histogram

from kiosk_gateway.domain.refusals import OVERLOADED
from kiosk_gateway.handlers.admission import Admission
from kiosk_gateway.handlers.idempotency import rounds, settle
from kiosk_gateway.handlers.judging import Asked, Offer, entitled, priced
from kiosk_gateway.handlers.refusing import refuse
from kiosk_gateway.store import intake as store
from kiosk_gateway.store.idempotency import Answer

ROOM = 4096
BATCHES = Histogram(
    "closet_intake_batch_size", "Requests taken on in one transaction", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)


class Intake:
    """Takes work on, a transaction for all that waits."""

    def __init__(self, begin: Begin, admission: Admission, consent_version: str, deadline_s: int) -> None:
        self._begin = begin
        self._admission = admission
        self._consent_version = consent_version
        self._lives = timedelta(seconds=deadline_s)
        self._batcher = Batcher(self._take)
        self._waiting = 0

    async def take(self, asked: Asked) -> Answer:
        """Take work on, or answer what it was answered before.

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
        uploads = {each.upload_id for asked in group for each in asked.inputs}
        persons, quotes = {asked.person for asked in group}, {asked.quote for asked in group if asked.quote}
        known = await store.look_up(tx.conn, uploads, persons, self._consent_version, quotes)
        await self._admission.look(tx.conn)
        return [await self._offer(tx, asked, known) for asked in group]

    async def _offer(self, tx: Tx, asked: Asked, known: store.Known) -> Offer | Problem:
        if refusal := entitled(asked, known):
            return refusal
        cost = priced(asked, known)
        if isinstance(cost, Problem):
            return cost
        wait_s = self._admission.admit(asked.tenant, asked.priority, asked.items)
        if isinstance(wait_s, Problem):
            return wait_s
        typical_s = await self._admission.typical_s(tx.conn, asked.work)
        return Offer(asked, cost, known.consents.get(asked.person) if asked.inputs else None, wait_s + typical_s)

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
            priority=asked.priority,
            items=asked.items,
            credits=offer.price.credits,
            usd_cents=offer.price.usd_cents,
            created_at=asked.at,
            deadline=asked.at + self._lives,
            inputs=asked.inputs,
        )


def _fact(offer: Offer, deadline: datetime) -> GenerationRequested:
    asked = offer.asked
    return GenerationRequested(
        job_id=asked.job_id,
        user_id=asked.user,
        work=asked.work,
        inputs=asked.inputs,
        price=offer.price,
        quote_id=asked.quote_id,
        priority=asked.priority,
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
