"""`closet ledger`: what happened on an account."""

from typing import TYPE_CHECKING, Annotated

import typer
from closet_contracts.rpc import LedgerPage, ReadLedger

from closet_client.cli.bus import on_bus
from closet_client.cli.output import out, print_json, table
from closet_client.cli.settings import AsJson

if TYPE_CHECKING:
    from closet_messaging.connection import BusConnection

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Such as tenant:demo.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many entries, at most.")]


def ledger(account: Account, *, limit: Limit = 50, json: AsJson = False) -> None:
    """Show an account's entries, the newest first (operator)."""

    async def read(connection: "BusConnection") -> None:
        from closet_messaging.rpc import ask  # noqa: PLC0415  the bus is loaded only when it is used

        page = await ask(connection, ReadLedger(account_id=account, limit=limit))
        print_json(page) if json else _show(page)

    on_bus(read)


def _show(page: LedgerPage) -> None:
    out.print(f"[bold]{page.account_id}[/]  {page.available} credits free, {page.held} held, {page.balance} in all")
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
