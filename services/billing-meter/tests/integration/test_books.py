"""What the database itself refuses, whoever asks."""

from typing import Any

import asyncpg
import pytest

APPEND_ONLY = ["transactions", "entries", "price_books"]
ENTRY = "INSERT INTO entries (transaction_id, account_id, amount) VALUES ($1, $2, $3)"


@pytest.fixture
async def paid(ledger: Any, new_job: Any) -> Any:
    job = new_job()
    await ledger.grant(200, receipt="R-1")
    await ledger.handle(job.accepted())
    await ledger.handle(job.completed())
    return job


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {} = {}"])
async def test_the_books_are_append_only(ledger: Any, table: str, change: str) -> None:
    column = {"transactions": "kind", "entries": "amount", "price_books": "version"}[table]
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await ledger.owner.execute(change.format(table, column, column))
    assert await ledger.read_balance() == (195, 0)


async def transact(ledger: Any, *amounts: tuple[str, int]) -> None:
    async with ledger.owner.acquire() as conn, conn.transaction():
        transaction = await conn.fetchval(
            "INSERT INTO transactions (kind, cause) VALUES ('grant', 'by hand') RETURNING transaction_id"
        )
        for account, amount in amounts:
            await conn.execute(ENTRY, transaction, account, amount)


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize(
    "amounts",
    [[], [("house", 5)], [("house", -5), ("revenue", 4)], [("house", -5), ("revenue", 4), ("tenant:acme", 2)]],
)
async def test_a_transaction_that_does_not_sum_to_zero_is_refused(ledger: Any, amounts: Any) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="sum to zero"):
        await transact(ledger, *amounts)
    assert await ledger.pool.fetchval("SELECT count(*) FROM transactions") == 3


@pytest.mark.usefixtures("paid")
async def test_an_entry_added_later_is_refused(ledger: Any) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="sum to zero"):
        await ledger.owner.execute(
            """INSERT INTO entries (transaction_id, account_id, amount)
            SELECT transaction_id, 'revenue', 1 FROM transactions WHERE kind = 'hold'"""
        )


async def test_a_cause_is_booked_once_per_kind_and_settled_one_way(ledger: Any, paid: Any) -> None:
    for kind in ("hold", "capture", "release"):
        with pytest.raises(asyncpg.UniqueViolationError):
            await ledger.owner.execute("INSERT INTO transactions (kind, cause) VALUES ($1, $2)", kind, paid.job_id)


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize(("balance", "held"), [(195, 196), (195, -1), (-1, 0), (-1, -1)])
async def test_no_balance_goes_below_zero(ledger: Any, balance: int, held: int) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await ledger.owner.execute("UPDATE balances SET balance = $1, held = $2", balance, held)


@pytest.mark.usefixtures("paid")
async def test_a_projection_gone_astray_shows(ledger: Any) -> None:
    await ledger.owner.execute("UPDATE balances SET balance = balance + 1")
    astray = await ledger.pool.fetch("SELECT account_id, balance, entries_balance FROM balances_astray")
    assert [tuple(row) for row in astray] == [("tenant:acme", 196, 195)]


async def test_entries_of_one_jobs_life(ledger: Any, paid: Any) -> None:
    rows = await ledger.pool.fetch(
        """SELECT kind, cause, account_id, amount, trace_id
        FROM transactions JOIN entries USING (transaction_id) ORDER BY entry_id"""
    )
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert [tuple(row) for row in rows] == [
        ("grant", "receipt:R-1", "house", -200, None),
        ("grant", "receipt:R-1", "tenant:acme", 200, None),
        ("hold", paid.job_id, "tenant:acme", -5, trace),
        ("hold", paid.job_id, "holds:acme", 5, trace),
        ("capture", paid.job_id, "holds:acme", -5, trace),
        ("capture", paid.job_id, "revenue", 5, trace),
    ]


async def test_a_receipt_is_booked_once(ledger: Any) -> None:
    assert await ledger.grant(200, receipt="R-1") == "granted"
    assert await ledger.grant(200, receipt="R-1") == "known"
    assert await ledger.grant(300, receipt="R-1") == "refused"
    assert await ledger.grant(200, "zara", receipt="R-1") == "refused"
    assert await ledger.read_balance() == (200, 0)
    assert await ledger.read_balance("zara") == (0, 0)
    assert len(ledger.emitted) == 1


@pytest.mark.parametrize("credits", [0, -5])
async def test_nothing_and_less_cannot_be_granted(ledger: Any, credits: int) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await ledger.grant(credits)
