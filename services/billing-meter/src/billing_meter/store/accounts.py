"""Reading accounts: what stands, and what happened."""

from collections.abc import Iterable, Iterator

import asyncpg
from closet_contracts.rpc import LedgerLine, LedgerPage
from closet_messaging.transaction import Connection


async def all_available(conn: Connection) -> dict[str, int]:
    """What every tenant may spend."""
    rows = await conn.fetch(
        "SELECT tenant_id, balance - held AS available FROM balances WHERE account_id = 'tenant:' || tenant_id"
    )
    return {row["tenant_id"]: row["available"] for row in rows}


async def balance(conn: Connection, wallet: str) -> tuple[int, int]:
    """A wallet's balance and what is held of it; nothing for one not seen yet."""
    row = await conn.fetchrow("SELECT balance, held FROM balances WHERE account_id = $1", wallet)
    return (row["balance"], row["held"]) if row else (0, 0)


async def rebuild(conn: Connection) -> int:
    """Make the projections anew from the entries; how many were wrong."""
    wrong: int = await conn.fetchval("SELECT rebuild_balances()")
    return wrong


async def read_ledger(conn: Connection, account_id: str, limit: int) -> LedgerPage | None:
    """An account's newest transactions first; None if there is no such account. Wants one snapshot for all it reads.

    A wallet is read with all of its accounts: a hold changes what is held, a capture the balance.
    """
    parts = [row["account_id"] for row in await conn.fetch(_PARTS, account_id)]
    if not parts:
        return None
    stands, held = await balance(conn, account_id) if len(parts) > 1 else (await conn.fetchval(_SUM, account_id), 0)
    rows = await conn.fetch(_LINES, parts, limit)
    lines = tuple(_lines(rows, stands))
    return LedgerPage(account_id=account_id, balance=stands, held=held, available=stands - held, lines=lines)


def _lines(rows: Iterable[asyncpg.Record], stands: int) -> Iterator[LedgerLine]:
    for row in rows:
        yield LedgerLine(**row, balance_after=stands)
        stands -= row["amount"]


_PARTS = "SELECT account_id FROM accounts WHERE account_id = $1 OR wallet = $1"
_SUM = "SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE account_id = $1"

# An account has one entry per transaction: the newest entries of each account make the newest transactions of all.
_LINES = """
    SELECT t.transaction_id::text, t.at, t.kind, t.cause, sum(e.amount)::bigint AS amount,
        coalesce(sum(e.amount) FILTER (WHERE a.kind IN ('holds', 'promised')), 0)::bigint AS held
    FROM (SELECT * FROM accounts WHERE account_id = ANY ($1)) AS a
    CROSS JOIN LATERAL (
        SELECT * FROM entries WHERE account_id = a.account_id ORDER BY entry_id DESC LIMIT $2
    ) e
    JOIN transactions t USING (transaction_id)
    GROUP BY t.transaction_id ORDER BY t.transaction_id DESC LIMIT $2
"""
