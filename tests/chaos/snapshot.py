"""What the five databases say once all has come to rest, and whether they agree."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import asyncpg
from closet_contracts.catalog import EVENTS
from closet_contracts.codec import decode
from closet_contracts.envelope import Event, EventData
from closet_contracts.job import JobAccepted, JobCancelled, JobCompleted, JobExpired, JobFailed
from closet_contracts.ownership import Service
from kiosk_gateway.domain.jobs import Change, JobFact, change_of

from tests.chaos.in_process import Pools

ENDS = (JobCompleted, JobFailed, JobCancelled, JobExpired)
PROJECTED: tuple[type[EventData], ...] = get_args(JobFact)
_QUERIES: Mapping[str, tuple[Service, str]] = {
    "jobs": (Service.JOB_ORCHESTRATOR, "SELECT job_id, tenant_id, phase, version, code FROM jobs"),
    "shown": (Service.KIOSK_GATEWAY, "SELECT * FROM jobs"),
    "lines": (Service.KIOSK_GATEWAY, "SELECT job_id, type, part FROM job_events"),
    "accounts": (Service.KIOSK_GATEWAY, "SELECT account_id, balance, held, available FROM accounts"),
    "holds": (Service.BILLING_METER, "SELECT job_id, state, credits, captured FROM holds"),
    "ledger": (
        Service.BILLING_METER,
        "SELECT kind, cause, account_id, amount FROM entries JOIN transactions USING (transaction_id)",
    ),
    "balances": (Service.BILLING_METER, "SELECT account_id, balance, held FROM balances"),
    "astray": (Service.BILLING_METER, "SELECT account_id FROM balances_astray"),
    "losses": (Service.BILLING_METER, "SELECT job_id FROM losses"),
    "renders": (Service.PERFECT_ADAPTER, "SELECT job_id, attempt, state, task_id, code FROM renders"),
    "uploads": (Service.UPLOAD_SIGNER, "SELECT upload_id, state, code FROM uploads"),
    "waiting": (Service.UPLOAD_SIGNER, "SELECT job_id, upload_id FROM waiting_jobs"),
}
"""What is read -> where, and how."""


class End(NamedTuple):
    """How a job ended, as its orchestrator, its owner and its account see it."""

    phase: str
    code: str | None
    shown: str
    pictures: int
    charged: int


@dataclass(frozen=True)
class Snapshot:
    """Everything, read once. `rows` by the names of `_QUERIES`."""

    events: Mapping[str, Event[Any]]
    unpublished: Sequence[str]
    handled: Mapping[Service, set[str]]
    rows: Mapping[str, Sequence[asyncpg.Record]]

    def by(self, name: str, key: str) -> dict[str, asyncpg.Record]:
        """The rows of that name by one of their columns."""
        return {row[key]: row for row in self.rows[name]}

    def end_of(self, job_id: str) -> End:
        """How a job ended."""
        job, shown = self.by("jobs", "job_id")[job_id], self.by("shown", "job_id")[job_id]
        hold = self.by("holds", "job_id").get(job_id)
        charged = hold["captured"] if hold else 0
        return End(job["phase"], job["code"], shown["status"], len(shown["results"] or ()), charged)

    def balances(self) -> dict[str, int]:
        """What each account has."""
        return {row["account_id"]: row["balance"] for row in self.rows["balances"]}

    def about(self, job_id: str) -> list[Event[Any]]:
        """What its owner can be shown of a job: everything that was told of it, but for its request."""
        return [one for one in self.events.values() if one.correlationid == job_id and isinstance(one.data, PROJECTED)]


async def read(pools: Pools) -> Snapshot:
    """The books as they stand. First what was handled, then what was told: news may come in between."""
    inboxes = await asyncio.gather(*(pool.fetch("SELECT event_id::text FROM inbox") for pool in pools.values()))
    outboxes = await asyncio.gather(*(pool.fetch("SELECT * FROM outbox") for pool in pools.values()))
    sent = [row for rows in outboxes for row in rows]
    found = await asyncio.gather(*(pools[service].fetch(sql) for service, sql in _QUERIES.values()))
    return Snapshot(
        events={str(row["id"]): decode(row["payload"]) for row in sent},
        unpublished=[f"{row['subject']} {row['id']}" for row in sent if row["published_at"] is None],
        handled={service: {row[0] for row in rows} for service, rows in zip(pools, inboxes, strict=True)},
        rows=dict(zip(_QUERIES, found, strict=True)),
    )


def unfinished(books: Snapshot) -> list[str]:
    """What is still on its way; empty once all has come to rest."""
    return [
        *(f"not published: {row}" for row in books.unpublished),
        *(f"not handled by {service}: {event.type} {event.id}" for service, event in _unhandled(books)),
        *(f"job {row['job_id']} is {row['phase']}" for row in books.rows["jobs"] if _is_open(row["phase"])),
        *(f"render of {row['job_id']} is {row['state']}" for row in books.rows["renders"] if _is_open(row["state"])),
        *(f"{row['job_id']} waits for {row['upload_id']}" for row in books.rows["waiting"]),
        *(f"held for {row['job_id']}" for row in books.rows["holds"] if row["state"] == "held"),
    ]


def contradictions(books: Snapshot) -> list[str]:
    """What cannot be true of finished books; empty if all of it agrees."""
    return [*_wrong_ends(books), *_wrong_money(books), *_wrong_read_models(books), *_strange_events(books)]


def _is_open(state: str) -> bool:
    return state in {"accepted", "dispatched", "running", "waiting", "submitting"}


def _unhandled(books: Snapshot) -> Iterator[tuple[Service, Event[Any]]]:
    for event in books.events.values():
        for service in EVENTS[type(event.data)]:
            if event.id not in books.handled[service]:
                yield service, event


def _strange_events(books: Snapshot) -> Iterator[str]:
    for service, ids in books.handled.items():
        for event_id in ids:
            event = books.events.get(event_id)
            if event is None or service not in EVENTS[type(event.data)]:
                yield f"{service} handled {event_id}, which nobody sent to it"


def _wrong_ends(books: Snapshot) -> Iterator[str]:
    """One end each, told once, and the same for the client."""
    told = Counter(event.data.job_id for event in books.events.values() if isinstance(event.data, ENDS))
    jobs, shown = books.by("jobs", "job_id"), books.by("shown", "job_id")
    for job_id in sorted(jobs.keys() ^ shown.keys()):
        yield f"{job_id} is known to one of orchestrator and gateway only"
    for job_id in jobs.keys() & shown.keys():
        phase, status, code = jobs[job_id]["phase"], shown[job_id]["status"], shown[job_id]["error_code"]
        if told[job_id] != 1:
            yield f"{job_id}: {told[job_id]} ends were told"
        if (phase, jobs[job_id]["code"]) != (status, code):
            yield f"{job_id} is {phase} ({jobs[job_id]['code']}), its owner sees {status} ({code})"


def _wrong_money(books: Snapshot) -> Iterator[str]:
    """Charged once is what was completed, or begun when cancelled; nothing is held; all say what the ledger does."""
    prices = {one.data.job_id: one.data.price for one in books.events.values() if isinstance(one.data, JobAccepted)}
    begun = Counter(
        {one.data.job_id: one.data.credits for one in books.events.values() if isinstance(one.data, JobCancelled)}
    )
    earned = Counter[str]()
    stands = Counter[str]()
    for line in books.rows["ledger"]:
        stands[line["account_id"]] += line["amount"]
        if line["account_id"] == "revenue":
            earned[line["cause"]] += line["amount"]
    for job_id, job in books.by("jobs", "job_id").items():
        due = prices[job_id].credits if job["phase"] == "completed" else begun[job_id]
        charged = books.by("shown", "job_id")[job_id]["credits_charged"] or 0
        if not due == earned[job_id] == charged == books.end_of(job_id).charged:
            yield f"{job_id} is {job['phase']}: due {due}, earned {earned[job_id]}, its owner sees {charged}"
    for account, row in books.by("balances", "account_id").items():
        seen = books.by("accounts", "account_id").get(account)
        if row["held"] or row["balance"] != stands[account]:
            yield f"{account}: balance {row['balance']}, held {row['held']}, and the ledger says {stands[account]}"
        if seen is None or (seen["balance"], seen["held"]) != (row["balance"], row["held"]):
            yield f"{account}: the gateway sees {seen}, not {row}"
    yield from (f"balance astray: {row['account_id']}" for row in books.rows["astray"])
    yield from (f"lost credits of {row['job_id']}" for row in books.rows["losses"])
    if sum(stands.values()):
        yield f"the ledger sums to {sum(stands.values())}"


def _wrong_read_models(books: Snapshot) -> Iterator[str]:
    """The client sees what the events say, in whatever order they came."""
    lines = defaultdict(list)
    for line in books.rows["lines"]:
        lines[line["job_id"]].append((line["type"], line["part"]))
    for job_id, row in books.by("shown", "job_id").items():
        events = books.about(job_id)
        changes = [change_of(event.data) for event in events]
        seen = (row["progress"], row["attempts"], row["version"], row["credits_charged"])
        if (said := _sum_of(changes)) != seen:
            yield f"{job_id}: its owner sees {seen}, the events say {said}"
        told = {(event.type, change.part) for event, change in zip(events, changes, strict=True)}
        if told - set(lines[job_id]) or len(lines[job_id]) != len(set(lines[job_id])):
            yield f"{job_id}: its timeline is {sorted(lines[job_id])}, the events are {sorted(told)}"


def _sum_of(changes: Sequence[Change]) -> tuple[int, int, int, int | None]:
    charged = [change.credits_charged for change in changes if change.credits_charged is not None]
    return (
        max((change.progress for change in changes), default=0),
        max((change.attempts for change in changes), default=0),
        max((change.version for change in changes), default=0),
        max(charged, default=None),
    )
