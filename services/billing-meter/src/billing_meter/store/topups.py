"""Credits that are being bought at Stripe."""

from dataclasses import dataclass
from datetime import datetime

from closet_messaging.transaction import Connection


@dataclass(frozen=True, slots=True)
class Topup:
    """A purchase of credits for a wallet."""

    topup_id: str
    tenant_id: str
    wallet: str
    credits: int
    usd_cents: int
    automatic: bool
    state: str = "open"
    url: str | None = None
    payment_id: str | None = None
    reversed: int = 0
    """Credits whose money is back with the payer, and how many of them were still there to be taken."""
    taken: int = 0
    reversals: int = 0
    money_seen_at: datetime | None = None


async def open_topup(conn: Connection, topup: Topup) -> bool:
    """Keep it; False if an automatic one is open for the wallet already."""
    tag = await conn.execute(
        """
        INSERT INTO topups (topup_id, tenant_id, wallet, credits, usd_cents, automatic) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING
        """,
        topup.topup_id,
        topup.tenant_id,
        topup.wallet,
        topup.credits,
        topup.usd_cents,
        topup.automatic,
    )
    return tag == "INSERT 0 1"


async def read(conn: Connection, topup_id: str) -> Topup | None:
    """The top-up, locked; None if there is none."""
    row = await conn.fetchrow(_SELECT, topup_id)
    return Topup(**row) if row else None


async def put_url(conn: Connection, topup_id: str, url: str | None) -> None:
    """Where it can be paid."""
    await conn.execute("UPDATE topups SET url = $2 WHERE topup_id = $1", topup_id, url)


async def settle(conn: Connection, topup_id: str, state: str, payment_id: str | None = None) -> None:
    """It is paid, or has failed."""
    await conn.execute(
        """UPDATE topups SET state = $2, payment_id = coalesce($3, payment_id), settled_at = now()
        WHERE topup_id = $1 AND state <> 'paid'""",
        topup_id,
        state,
        payment_id,
    )


async def note_reversed(conn: Connection, topup: Topup, credits: int, taken: int, asked_at: datetime) -> None:
    """The money of so many of its credits is back as of that time, and so many of them were taken."""
    await conn.execute(
        """UPDATE topups SET reversed = $2, taken = $3, money_seen_at = $4,
            reversals = reversals + CASE WHEN (reversed, taken) <> ($2::bigint, $3::bigint) THEN 1 ELSE 0 END
        WHERE topup_id = $1""",
        topup.topup_id,
        credits,
        taken,
        asked_at,
    )


_SELECT = """
    SELECT topup_id, tenant_id, wallet, credits, usd_cents, automatic, state, url, payment_id, reversed,
        taken, reversals, money_seen_at
    FROM topups WHERE topup_id = $1 FOR UPDATE
"""
