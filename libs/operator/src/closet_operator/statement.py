"""`closet-ops statement`: what changed a balance in a period, for bookkeepers: JSON, CSV, or a page to print."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from closet_client.cli.output import print_json, raw
from closet_contracts.rpc import ReadStatement, Statement
from closet_messaging.connection import BusConnection
from closet_messaging.rpc import ask

from closet_operator.bus import on_bus
from closet_operator.statement_csv import as_csv
from closet_operator.statement_page import as_html


class Format(StrEnum):
    """How a statement is written."""

    JSON = "json"
    CSV = "csv"
    HTML = "html"


_DAYS = ["%Y-%m-%d"]
Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Such as tenant:demo or device:k1.")]
Since = Annotated[datetime, typer.Option("--since", formats=_DAYS, help="The first day, in UTC.")]
Until = Annotated[datetime, typer.Option("--until", formats=_DAYS, help="The day after the last.")]
As = Annotated[Format, typer.Option("--format", "-f", help="How it is written.")]


def statement(account: Account, *, since: Since, until: Until, format: As = Format.JSON) -> None:
    """Write an account's statement to standard output."""
    asked = ReadStatement(account_id=account, since=since.replace(tzinfo=UTC), until=until.replace(tzinfo=UTC))

    async def read(connection: BusConnection) -> None:
        found = await _whole(connection, asked)
        if format is Format.JSON:
            print_json(found)
        else:
            raw(as_csv(found) if format is Format.CSV else as_html(found))

    on_bus(read)


async def _whole(connection: BusConnection, asked: ReadStatement) -> Statement:
    page = await ask(connection, asked)
    lines = page.lines
    while page.next_after is not None:
        page = await ask(connection, asked.model_copy(update={"after": page.next_after}))
        lines += page.lines
    return page.model_copy(update={"lines": lines})
