"""Statements as CSV, for a spreadsheet."""

import csv
import io

from closet_contracts.rpc import Statement, StatementLine

_COLUMNS = (
    "at", "transaction", "kind", "cause", "amount", "balance", "job", "renders", "trace", "actor", "reason", "usd",
)  # fmt: skip


def as_csv(statement: Statement) -> str:
    """The opening balance, every line, the closing balance."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerow([statement.since.isoformat(), "", "opening", "", "", statement.opening])
    writer.writerows(_cells(line) for line in statement.lines)
    writer.writerow([statement.until.isoformat(), "", "closing", "", "", statement.closing])
    return text.getvalue()


def dollars(usd_cents: int | None) -> str:
    """An amount of US cents as people write it: `-1234.50`. Nothing for one that is not known."""
    if usd_cents is None:
        return ""
    sign, whole, part = "-" if usd_cents < 0 else "", abs(usd_cents) // 100, abs(usd_cents) % 100
    return f"{sign}{whole}.{part:02d}"


def _cells(line: StatementLine) -> list[str]:
    return [
        line.at.isoformat(timespec="seconds"),
        line.transaction_id,
        line.kind,
        _harmless(line.cause),
        f"{line.amount:+d}",
        str(line.balance_after),
        line.job_id or "",
        " ".join(line.renders),
        line.trace_id or "",
        _harmless(line.actor or ""),
        _harmless(line.reason or ""),
        dollars(line.usd_cents),
    ]


def _harmless(text: str) -> str:
    """A spreadsheet takes what begins so for a formula; people wrote these cells."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
