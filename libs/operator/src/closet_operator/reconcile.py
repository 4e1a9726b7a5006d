"""`closet-ops reconcile`: compare the ledger of a day with jobs, renders and Stripe."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer
from closet_client.cli.output import FAILED, err, out, print_json, table
from closet_client.cli.settings import AsJson
from closet_contracts.rpc import Reconcile, Reconciliation
from closet_messaging.connection import BusConnection
from closet_messaging.rpc import ask

from closet_operator.bus import on_bus

Day = Annotated[datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="In UTC; yesterday if not given.")]
_TIMEOUT_S = 120.0


def reconcile(*, day: Day = None, json: AsJson = False) -> None:
    """Compare a day's captures with jobs, renders and Stripe; exit code 1 if anything differs."""
    asked = Reconcile(day=day.date() if day else _yesterday())

    async def compare(connection: BusConnection) -> None:
        found = await ask(connection, asked, timeout_s=_TIMEOUT_S)
        print_json(found) if json else _show(found)
        if found.differences:
            raise typer.Exit(FAILED)

    on_bus(compare)


def _yesterday() -> date:
    return datetime.now(UTC).date() - timedelta(days=1)


def _show(found: Reconciliation) -> None:
    compared = ", ".join(f"{count} {name}" for name, count in found.compared.items())
    err.print(f"{found.day}: {compared}; {len(found.differences)} differences")
    if not found.differences:
        out.print("[green]✓[/] no differences")
        return
    rows = [(one.kind, one.tenant_id or "", str(one.expected), str(one.found), one.id) for one in found.differences]
    table("DIFFERENCE", "TENANT", "EXPECTED", "FOUND", "ID", rows=rows, right=frozenset({"EXPECTED", "FOUND"}))
