"""`closet-ops ledger`: the entries of an account."""

from typing import Annotated

import typer
from closet_client.cli.output import out, print_json, table
from closet_client.cli.settings import AsJson
from closet_contracts.rpc import LedgerPage, ReadLedger
from closet_messaging.connection import BusConnection
from closet_messaging.rpc import ask

from closet_operator.bus import on_bus

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Such as tenant:demo.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="The most entries to show.")]


def ledger(account: Account, *, limit: Limit = 50, json: AsJson = False) -> None:
    """Show the entries of an account, newest first."""

    async def read(connection: BusConnection) -> None:
        page = await ask(connection, ReadLedger(account_id=account, limit=limit))
        print_json(page) if json else _show(page)

    on_bus(read)


def _show(page: LedgerPage) -> None:
    out.print(
        f"[bold]{page.account_id}[/]  {page.available} credits available, {page.held} held, balance {page.balance}"
    )
    rows = [
        (
            f"{line.at.astimezone():%Y-%m-%d %H:%M:%S}",
            line.kind,
            line.cause,
            f"{line.amount:+d}" if line.amount else "",
            str(line.balance_after),
            f"{line.held:+d}" if line.held else "",
        )
        for line in page.lines
    ]
    table("AT", "KIND", "CAUSE", "AMOUNT", "BALANCE", "HELD", rows=rows, right=frozenset({"AMOUNT", "BALANCE", "HELD"}))
