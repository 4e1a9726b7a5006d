"""Statements as files: CSV for a spreadsheet, HTML for a printer."""

import csv
import io
from html import escape

from closet_contracts.rpc import Statement, StatementLine

_COLUMNS = ("at", "transaction", "kind", "cause", "amount", "balance", "job", "renders", "trace", "actor", "reason")


def as_csv(statement: Statement) -> str:
    """The opening balance, every line, the closing balance."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerow([statement.since.isoformat(), "", "opening", "", "", statement.opening])
    writer.writerows(_cells(line) for line in statement.lines)
    writer.writerow([statement.until.isoformat(), "", "closing", "", "", statement.closing])
    return text.getvalue()


def as_html(statement: Statement) -> str:
    """A page that needs nothing else."""
    rows = "\n".join(_row(_cells(line)) for line in statement.lines)
    return _PAGE.format(
        account=escape(statement.account_id),
        since=f"{statement.since:%Y-%m-%d}",
        until=f"{statement.until:%Y-%m-%d}",
        opening=statement.opening,
        closing=statement.closing,
        heads="".join(f"<th>{name}</th>" for name in _COLUMNS),
        rows=rows,
    )


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
    ]


def _harmless(text: str) -> str:
    """A spreadsheet takes what begins so for a formula; people wrote these cells."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _row(cells: list[str]) -> str:
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Statement {account}, {since} to {until}</title>
<style>
body {{ font: 10pt system-ui, sans-serif; margin: 2em }}
table {{ border-collapse: collapse; width: 100%; font-size: 8pt }}
th, td {{ border-bottom: 1px solid #ccc; padding: .3em; text-align: left; overflow-wrap: anywhere }}
td:nth-child(5), td:nth-child(6) {{ text-align: right; white-space: nowrap }}
thead {{ display: table-header-group }}
tr {{ break-inside: avoid }}
</style>
</head>
<body>
<h1>Statement of {account}</h1>
<p>From {since} until {until} (UTC), in credits. Opening balance <b>{opening}</b>, closing balance <b>{closing}</b>.</p>
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""
