"""What requests need to be taken on, looked up and written for a whole batch at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from closet_contracts.credit import PriceBook
from closet_contracts.generation import Input, Priority
from closet_messaging.transaction import Connection

from kiosk_gateway.domain.access import account_of
from kiosk_gateway.store.money import read_prices
from kiosk_gateway.store.quotes import Quoted, QuoteName

Person = tuple[str, str]
"""A tenant and one of its users."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that was asked for, as the read model begins with it."""

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
    """Record whose uploads these are: (id, tenant, user)."""
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
class Known:
    """What a batch of requests is judged by."""

    owners: dict[str, Person]  # of uploads
    consents: dict[Person, datetime]  # since when, for those who consent to the version in force
    available: dict[str, int]  # credits, for accounts that anything was heard of
    quotes: dict[QuoteName, Quoted]  # those of the named ones that were passed on
    book: PriceBook | None


# Each row is looked up by its key, whatever the planner thinks of tables that were small when it looked at them: a plan
# made then would read a whole table for a batch, and is kept while the table grows.
LOOK_UP = """
    SELECT
        ARRAY(
            SELECT (upload_id, tenant_id, user_id) FROM unnest($1::text[]) AS asked (id)
            CROSS JOIN LATERAL (SELECT * FROM uploads u WHERE u.upload_id = asked.id LIMIT 1) found
        ) AS owners,
        ARRAY(
            SELECT (found.tenant_id, found.user_id, given_at) FROM unnest($2::text[], $3::text[]) AS asked (tenant, usr)
            CROSS JOIN LATERAL (
                SELECT * FROM consents c WHERE c.tenant_id = asked.tenant AND c.user_id = asked.usr LIMIT 1
            ) found
            WHERE version = $4 AND withdrawn_at IS NULL
        ) AS consents,
        ARRAY(
            SELECT (account_id, available) FROM unnest($5::text[]) AS asked (id)
            CROSS JOIN LATERAL (SELECT * FROM accounts a WHERE a.account_id = asked.id LIMIT 1) found
        ) AS available,
        (
            SELECT jsonb_agg(jsonb_build_array(found.tenant_id, found.user_id, quote_id, item, price, expires_at))
            FROM unnest($6::text[], $7::text[], $8::text[]) AS asked (tenant, usr, id)
            CROSS JOIN LATERAL (
                SELECT * FROM quotes q
                WHERE q.tenant_id = asked.tenant AND q.user_id = asked.usr AND q.quote_id = asked.id LIMIT 1
            ) found
        ) AS quotes
"""


async def look_up(
    conn: Connection, uploads: Iterable[str], persons: Iterable[Person], version: str, quotes: Iterable[QuoteName]
) -> Known:
    """Everything at once: one round trip, one snapshot."""
    tenants, users = zip(*persons, strict=True)
    accounts = [account_of(tenant) for tenant in set(tenants)]
    named = list(zip(*quotes, strict=True)) or [(), (), ()]
    (row,) = await conn.fetch(LOOK_UP, list(uploads), tenants, users, version, accounts, *named)
    return Known(
        owners={upload: (tenant, user) for upload, tenant, user in row["owners"]},
        consents={(tenant, user): since for tenant, user, since in row["consents"]},
        available=dict(row["available"]),
        quotes={(tenant, user, quote): Quoted.of(*rest) for tenant, user, quote, *rest in row["quotes"] or ()},
        book=await read_prices(conn),
    )


async def add_jobs(conn: Connection, jobs: Sequence[NewJob], event_type: str, service: str) -> None:
    """Begin the jobs' read models and timelines."""
    await conn.execute(
        """
        WITH asked AS (
            SELECT *, $13::jsonb -> job_id AS inputs FROM unnest(
                $1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[],
                $7::timestamptz[], $8::timestamptz[], $11::text[], $12::int[]
            ) AS t (job_id, tenant_id, user_id, kind, credits, usd_cents, at, deadline, priority, items)
        ), lines AS (
            INSERT INTO job_events (job_id, seq, type, service, at, status, progress)
            SELECT job_id, 1, $9, $10, at, 'queued', 0 FROM asked
        )
        INSERT INTO jobs (
            job_id, tenant_id, user_id, kind, credits, usd_cents, created_at, updated_at, deadline, events,
            priority, items, inputs
        )
        SELECT job_id, tenant_id, user_id, kind, credits, usd_cents, at, at, deadline, 1, priority, items, inputs
        FROM asked
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
