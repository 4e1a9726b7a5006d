"""What intake reads and writes, for a whole batch of requests at once."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from closet_contracts.credit import Chargeable, Price, PriceBook
from closet_contracts.generation import Input, Priority
from closet_messaging.transaction import Connection

from kiosk_gateway.domain.access import account_of
from kiosk_gateway.domain.capacity import UNKNOWN_CAPACITY, Capacity, Queue

Person = tuple[str, str]
"""A tenant and one of its users."""

QuoteName = tuple[str, str, str]
"""A tenant, one of its users, and the id of a quote that the user was given."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """An accepted job, as the read model starts with it."""

    job_id: str
    tenant: str
    user: str
    kind: str
    priority: Priority
    items: int
    credits: int
    usd_cents: int
    created_at: datetime
    deadline: datetime
    inputs: tuple[Input, ...] = ()


async def add_uploads(conn: Connection, uploads: Sequence[tuple[str, str, str]]) -> None:
    """Store the owners of uploads: (id, tenant, user)."""
    if not uploads:
        return
    ids, tenants, users = zip(*uploads, strict=True)
    await conn.execute(
        "INSERT INTO uploads (upload_id, tenant_id, user_id) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])",
        ids,
        tenants,
        users,
    )


@dataclass(frozen=True, slots=True)
class StoredQuote:
    """A quote that was passed on: what was priced, its price, and until when it holds."""

    item: Chargeable
    price: Price
    expires_at: datetime

    @classmethod
    def of(cls, item: dict[str, Any], price: dict[str, Any], expires_at: str) -> Self:
        """Return the quote of a row as JSON."""
        return cls(Chargeable.model_validate(item), Price.model_validate(price), datetime.fromisoformat(expires_at))


@dataclass(frozen=True, slots=True)
class Facts:
    """What the decision about a batch of requests depends on."""

    owners: dict[str, Person]  # by upload
    consents: dict[Person, datetime]  # given at, by persons who consent to the current version
    available: dict[str, int]  # credits, by account with a known balance
    quotes: dict[QuoteName, StoredQuote]
    book: PriceBook | None


# LATERAL with LIMIT 1 looks each row up by its key, whatever the planner's statistics say: a plan made while the tables
# were small would read a whole table for a batch, and would be kept while the table grows.
READ_FACTS = """
    SELECT
        ARRAY(
            SELECT (upload_id, tenant_id, user_id) FROM unnest($1::text[]) AS keys (id)
            CROSS JOIN LATERAL (SELECT * FROM uploads u WHERE u.upload_id = keys.id LIMIT 1) found
        ) AS owners,
        ARRAY(
            SELECT (found.tenant_id, found.user_id, given_at) FROM unnest($2::text[], $3::text[]) AS keys (tenant, usr)
            CROSS JOIN LATERAL (
                SELECT * FROM consents c WHERE c.tenant_id = keys.tenant AND c.user_id = keys.usr LIMIT 1
            ) found
            WHERE version = $4 AND withdrawn_at IS NULL
        ) AS consents,
        ARRAY(
            SELECT (account_id, available) FROM unnest($5::text[]) AS keys (id)
            CROSS JOIN LATERAL (SELECT * FROM accounts a WHERE a.account_id = keys.id LIMIT 1) found
        ) AS available,
        (
            SELECT jsonb_agg(jsonb_build_array(found.tenant_id, found.user_id, quote_id, item, price, expires_at))
            FROM unnest($6::text[], $7::text[], $8::text[]) AS keys (tenant, usr, id)
            CROSS JOIN LATERAL (
                SELECT * FROM quotes q
                WHERE q.tenant_id = keys.tenant AND q.user_id = keys.usr AND q.quote_id = keys.id LIMIT 1
            ) found
        ) AS quotes
"""


async def read_facts(
    conn: Connection, uploads: Iterable[str], persons: Iterable[Person], version: str, quotes: Iterable[QuoteName]
) -> Facts:
    """Read the facts about a batch: one snapshot, and the price book."""
    tenants, users = zip(*persons, strict=True)
    accounts = [account_of(tenant) for tenant in set(tenants)]
    named = list(zip(*quotes, strict=True)) or [(), (), ()]
    (row,) = await conn.fetch(READ_FACTS, list(uploads), tenants, users, version, accounts, *named)
    return Facts(
        owners={upload: (tenant, user) for upload, tenant, user in row["owners"]},
        consents={(tenant, user): since for tenant, user, since in row["consents"]},
        available=dict(row["available"]),
        quotes={(tenant, user, quote): StoredQuote.of(*rest) for tenant, user, quote, *rest in row["quotes"] or ()},
        book=await read_prices(conn),
    )


async def read_prices(conn: Connection) -> PriceBook | None:
    """Return the price book in force, None before the first."""
    book = await conn.fetchval(
        "SELECT book FROM price_books WHERE effective_from <= now() ORDER BY effective_from DESC, version DESC LIMIT 1"
    )
    return PriceBook.model_validate(book) if book else None


async def read_queue(conn: Connection) -> Queue:
    """Return the vendor's capacity, and the tasks that have not reached the vendor."""
    capacity = await conn.fetchrow(
        """
        SELECT available, per_minute, typical_s,
            coalesce(greatest(0, extract(epoch FROM stopped_until - now())), 0)::float8 AS stopped_s
        FROM capacity ORDER BY measured_at DESC LIMIT 1
        """
    )
    rows = await conn.fetch(
        """
        SELECT tenant_id, priority, sum(items - started)::int AS waiting FROM jobs
        WHERE ended_at IS NULL AND deadline > now() AND started < items GROUP BY tenant_id, priority
        """
    )
    waiting = Counter({(row["tenant_id"], Priority(row["priority"])): row["waiting"] for row in rows})
    return Queue(Capacity(*capacity) if capacity else UNKNOWN_CAPACITY, waiting)


async def median_duration(conn: Connection, kind: str) -> float | None:
    """Return the median seconds from start to end of the last completed jobs of a kind, None without any."""
    seconds: float | None = await conn.fetchval(
        """
        SELECT percentile_cont(0.5) WITHIN GROUP (
            ORDER BY extract(epoch FROM ended_at - coalesce(started_at, created_at))::float8
        )
        FROM (SELECT ended_at, started_at, created_at FROM jobs
              WHERE kind = $1 AND status = 'completed' ORDER BY ended_at DESC LIMIT 50) recent
        """,
        kind,
    )
    return seconds


async def add_jobs(conn: Connection, jobs: Sequence[NewJob], event_type: str, service: str) -> None:
    """Store new jobs and the first entries of their timelines."""
    await conn.execute(
        """
        WITH requested AS (
            SELECT *, $13::jsonb -> job_id AS inputs FROM unnest(
                $1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[],
                $7::timestamptz[], $8::timestamptz[], $11::text[], $12::int[]
            ) AS t (job_id, tenant_id, user_id, kind, credits, usd_cents, at, deadline, priority, items)
        ), entries AS (
            INSERT INTO job_events (job_id, seq, type, service, at, status, progress)
            SELECT job_id, 1, $9, $10, at, 'queued', 0 FROM requested
        )
        INSERT INTO jobs (
            job_id, tenant_id, user_id, kind, credits, usd_cents, created_at, updated_at, deadline, events,
            priority, items, inputs
        )
        SELECT job_id, tenant_id, user_id, kind, credits, usd_cents, at, at, deadline, 1, priority, items, inputs
        FROM requested
        """,
        [job.job_id for job in jobs],
        [job.tenant for job in jobs],
        [job.user for job in jobs],
        [job.kind for job in jobs],
        [job.credits for job in jobs],
        [job.usd_cents for job in jobs],
        [job.created_at for job in jobs],
        [job.deadline for job in jobs],
        event_type,
        service,
        [job.priority for job in jobs],
        [job.items for job in jobs],
        {job.job_id: [each.model_dump(mode="json") for each in job.inputs] for job in jobs},
    )
