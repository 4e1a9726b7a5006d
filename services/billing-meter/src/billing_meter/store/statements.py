"""Statements: what changed a wallet's balance in a period, and what each change leads back to."""

from closet_contracts.rpc import ReadStatement, Statement, StatementLine
from closet_messaging.unit import Connection


async def read_statement(conn: Connection, asked: ReadStatement) -> Statement | None:
    """A page of a wallet's statement; None if there is no such wallet. Wants one snapshot for all it reads."""
    sums = await conn.fetchrow(_SUMS, asked.account_id, asked.since, asked.until)
    if sums is None or sums["opening"] is None:
        return None
    after = int(asked.after or 0)
    rows = await conn.fetch(_LINES, asked.account_id, asked.since, asked.until, sums["opening"], after, asked.limit)
    lines = tuple(StatementLine(**row) for row in rows)
    return Statement(
        account_id=asked.account_id,
        since=asked.since,
        until=asked.until,
        opening=sums["opening"],
        closing=sums["closing"],
        lines=lines,
        next_after=lines[-1].transaction_id if len(lines) == asked.limit else None,
    )


_SUMS = """
    SELECT coalesce(sum(e.amount) FILTER (WHERE t.at < $2), 0)::bigint AS opening,
        coalesce(sum(e.amount) FILTER (WHERE t.at < $3), 0)::bigint AS closing
    FROM accounts a LEFT JOIN entries e USING (account_id) LEFT JOIN transactions t USING (transaction_id)
    WHERE a.wallet = $1 GROUP BY a.wallet
"""
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
    FROM lines WHERE transaction_id > $5 ORDER BY transaction_id LIMIT $6
"""
