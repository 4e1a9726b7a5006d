"""Statements: what changed a wallet's balance in a period, and what each change leads back to."""

from closet_contracts.rpc import ReadStatement, Statement, StatementLine
from closet_messaging.transaction import Connection

from billing_meter.store.prices import CreditPrices

_LARGEST_ID = 2**63 - 1


class InvalidCursor(ValueError):
    """Not the number of a transaction, so no page ever ended with it."""


async def read_statement(conn: Connection, asked: ReadStatement) -> Statement | None:
    """A page of a wallet's statement; None if there is no such wallet. Wants one snapshot for all it reads.

    Raises:
        InvalidCursor: `after` was never given out.
    """
    after = _number(asked.after or "0")
    sums = await conn.fetchrow(_SUMS, asked.account_id, asked.since, asked.until)
    if sums is None:
        return None
    rows = await conn.fetch(_LINES, asked.account_id, asked.since, asked.until, sums["opening"], after, asked.limit + 1)
    prices = await CreditPrices.read(conn)
    lines = tuple(StatementLine(**row, usd_cents=prices.value(row["amount"], row["at"])) for row in rows[: asked.limit])
    return Statement(
        account_id=asked.account_id,
        since=asked.since,
        until=asked.until,
        opening=sums["opening"],
        closing=sums["closing"],
        lines=lines,
        next_after=lines[-1].transaction_id if len(rows) > len(lines) else None,
        usd_cents_per_credit=prices.at(asked.until),
    )


def _number(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdecimal()) or len(cursor) > len(str(_LARGEST_ID)):
        raise InvalidCursor(cursor)
    number = int(cursor)
    if number > _LARGEST_ID:
        raise InvalidCursor(cursor)
    return number


_SUMS = """
    SELECT coalesce(sum(e.amount) FILTER (WHERE t.at < $2), 0)::bigint AS opening,
        coalesce(sum(e.amount) FILTER (WHERE t.at < $3), 0)::bigint AS closing
    FROM accounts a LEFT JOIN entries e USING (account_id) LEFT JOIN transactions t USING (transaction_id)
    WHERE a.wallet = $1 GROUP BY a.wallet
"""
# A bare name in ORDER BY means the column of the answer, which is text here: only `lines.transaction_id` is the number.
_LINES = """
    WITH changes AS (
        SELECT t.transaction_id, t.at, t.kind, t.cause, t.reason, t.actor, t.trace_id, sum(e.amount)::bigint AS amount
        FROM accounts a JOIN entries e USING (account_id) JOIN transactions t USING (transaction_id)
        WHERE a.wallet = $1 AND t.at >= $2 AND t.at < $3
        GROUP BY t.transaction_id HAVING sum(e.amount) <> 0
    ), lines AS (
        SELECT *, ($4 + sum(amount) OVER (ORDER BY transaction_id))::bigint AS balance_after FROM changes
    )
    SELECT transaction_id::text, at, kind, cause, reason, actor, trace_id, amount, balance_after,
        CASE WHEN cause LIKE 'job\\_%' THEN cause END AS job_id,
        ARRAY(SELECT render_id FROM job_renders r WHERE r.job_id = lines.cause AND r.succeeded ORDER BY 1) AS renders
    FROM lines WHERE lines.transaction_id > $5 ORDER BY lines.transaction_id LIMIT $6
"""
