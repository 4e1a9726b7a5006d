"""Statements as a page to print: every change, a sum for each kind of change, and how they make the closing balance."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from closet_contracts.rpc import Statement, StatementLine

from closet_operator.statement_csv import dollars


def as_html(statement: Statement) -> str:
    """A page that needs nothing else: no script, no font, no picture."""
    lines = statement.lines
    return _PAGE.format(
        account=escape(statement.account_id),
        since=f"{statement.since:%Y-%m-%d}",
        until=f"{statement.until:%Y-%m-%d}",
        price=_price(statement.usd_cents_per_credit),
        summary="\n".join(_summary(statement)),
        changes="\n".join(map(_change, lines)),
        total=_figures(sum(line.amount for line in lines), _worth(lines), signed=True),
        closing=f"{statement.closing:,}",
    )


def _summary(statement: Statement) -> Iterator[str]:
    """Opening balance, a sum for each kind of change, closing balance."""
    lines, cents = statement.lines, statement.usd_cents_per_credit
    yield _sum("Opening balance", "", statement.opening, _times(statement.opening, cents), strong=True)
    for kind in dict.fromkeys(line.kind for line in lines):
        some = [line for line in lines if line.kind == kind]
        yield _sum(kind, str(len(some)), sum(line.amount for line in some), _worth(some), signed=True)
    yield _sum(
        "All changes", str(len(lines)), sum(line.amount for line in lines), _worth(lines), signed=True, strong=True
    )
    yield _sum("Closing balance", "", statement.closing, _times(statement.closing, cents), strong=True)


def _sum(  # noqa: PLR0913  a row's cells
    name: str, count: str, credits: int, usd_cents: int | None, *, signed: bool = False, strong: bool = False
) -> str:
    row = f"<th scope=row>{escape(name)}</th><td class=n>{count}</td>{_figures(credits, usd_cents, signed=signed)}"
    return f"<tr{' class=strong' if strong else ''}>{row}</tr>"


def _change(line: StatementLine) -> str:
    """Two rows: what happened, and what it leads back to."""
    what = f"{line.kind}: {line.reason}" if line.reason else line.kind
    return (
        "<tbody><tr>"
        f"<td class=id>{line.at:%Y-%m-%d %H:%M:%S}</td><td class=n>{escape(line.transaction_id)}</td>"
        f"<td>{escape(what)}</td>{_figures(line.amount, line.usd_cents, signed=True)}"
        f"<td class=n>{line.balance_after:,}</td></tr>"
        f"<tr class=refs><td></td><td></td><td colspan=4>{' '.join(_references(line))}</td></tr></tbody>"
    )


def _references(line: StatementLine) -> Iterator[str]:
    named = [("job", line.job_id)] if line.job_id else [("for", line.cause)]
    named += [("render", render) for render in line.renders]
    for name, value in (*named, ("trace", line.trace_id), ("by", line.actor)):
        if value:
            yield f"<span>{name} {escape(value)}</span>"


def _figures(credits: int, usd_cents: int | None, *, signed: bool) -> str:
    amount = f"{credits:+,}" if signed else f"{credits:,}"
    return f"<td class=n>{amount}</td><td class=n>{dollars(usd_cents)}</td>"


def _worth(lines: Iterable[StatementLine]) -> int | None:
    """All of them in US cents; None if that of one is not known."""
    cents: Sequence[int | None] = [line.usd_cents for line in lines]
    return None if None in cents else sum(one or 0 for one in cents)


def _times(credits: int, usd_cents: int | None) -> int | None:
    return None if usd_cents is None else credits * usd_cents


def _price(usd_cents: int | None) -> str:
    if usd_cents is None:
        return ""
    return (
        f"Balances are in USD at ${dollars(usd_cents)} a credit, the price at the end of the period; "
        "each change at the price of its time."
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Statement {account}, {since} to {until}</title>
<style>
@page {{ size: A4; margin: 15mm }}
body {{ font: 10pt system-ui, sans-serif; margin: 2em auto; max-width: 60em }}
@media print {{ body {{ margin: 0; max-width: none }} }}
table {{ border-collapse: collapse; margin-bottom: 2em }}
table.changes {{ width: 100%; font-size: 9pt }}
th, td {{ padding: .25em .6em; text-align: left; vertical-align: top; font-weight: normal }}
thead th {{ border-bottom: 1px solid #000; font-weight: bold }}
thead {{ display: table-header-group }}
tfoot {{ display: table-row-group }}
.strong > *, tfoot td {{ border-top: 1px solid #000; font-weight: bold }}
.n {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }}
th.n {{ text-align: right }}
.id, .refs span {{ white-space: nowrap }}
.refs td {{ border-bottom: 1px solid #ccc; color: #555; font-size: 7.5pt; padding-top: 0 }}
.refs span {{ margin-right: 1em }}
tbody, tr {{ break-inside: avoid }}
</style>
</head>
<body>
<h1>Statement of {account}</h1>
<p>From {since} until {until} (UTC), the last day not included. {price}</p>
<table class=summary>
<thead><tr><th>Summary</th><th class=n>Count</th><th class=n>Credits</th><th class=n>USD</th></tr></thead>
<tbody>
{summary}
</tbody>
</table>
<table class=changes>
<thead><tr><th>Time (UTC)</th><th class=n>No.</th><th>Change</th><th class=n>Credits</th><th class=n>USD</th>\
<th class=n>Balance</th></tr></thead>
{changes}
<tfoot>
<tr><td></td><td></td><td>Sum of all changes, and closing balance</td>{total}<td class=n>{closing}</td></tr>
</tfoot>
</table>
</body>
</html>
"""
