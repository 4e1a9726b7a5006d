"""Purchases of credits at Stripe."""

from dataclasses import dataclass
from datetime import datetime

from closet_chassis.postgres import affected
from closet_messaging.transaction import Connection

from billing_meter.domain.stripe import TopupState


@dataclass(frozen=True, slots=True)
class Topup:
    """A purchase of credits for a wallet.

    `reversed` are the credits whose money is back with the payer, `taken` those of them that were still there.
    """

    topup_id: str
    tenant_id: str
    wallet: str
    credits: int
    usd_cents: int
    automatic: bool
    state: TopupState = TopupState.OPEN
    url: str | None = None
    payment_id: str | None = None
    reversed: int = 0
    taken: int = 0
    reversals: int = 0
    money_seen_at: datetime | None = None


async def open_topup(conn: Connection, topup: Topup) -> bool:
    """Store a purchase; return False if an automatic one is open for the wallet already."""
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
    return affected(tag) == 1


async def read(conn: Connection, topup_id: str) -> Topup | None:
    """Return the purchase and lock it; None if there is none."""
    row = await conn.fetchrow(_SELECT, topup_id)
    return Topup(**{**row, "state": TopupState(row["state"])}) if row else None


async def put_url(conn: Connection, topup_id: str, url: str | None) -> None:
    """Store where the purchase can be paid."""
    await conn.execute("UPDATE topups SET url = $2 WHERE topup_id = $1", topup_id, url)


async def settle(conn: Connection, topup_id: str, state: TopupState, payment_id: str | None = None) -> None:
    """Record that the purchase is paid, or has failed; one that was paid stays paid."""
    await conn.execute(
        """UPDATE topups SET state = $2, payment_id = coalesce($3, payment_id), settled_at = now()
        WHERE topup_id = $1 AND state <> 'paid'""",
        topup_id,
        state,
        payment_id,
    )


async def note_reversed(conn: Connection, topup: Topup, credits: int, taken: int, asked_at: datetime) -> None:
    """Record that the money of so many credits is back as of that time, and that so many of them were taken."""
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
