"""`closet-ops dlq`: list, show, replay or discard the messages that a service gave up on."""

import json as jsonlib
import sys
from typing import Annotated, Any

import typer
from closet_client.cli.output import out, print_json, table
from closet_client.cli.settings import AsJson
from closet_contracts.ownership import Service
from closet_messaging import dead_letters
from closet_messaging.connection import BusConnection
from closet_messaging.dead_letters import DeadLetter, list_dead_letters
from rich.markup import escape

from closet_operator.bus import on_bus

app = typer.Typer(name="dlq", help="Messages that a service gave up on.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="As `closet-ops dlq ls` shows it.")]
Numbers = Annotated[list[int], typer.Argument(metavar="NUMBER...", min=1, help="As `closet-ops dlq ls` shows them.")]
OfService = Annotated[Service | None, typer.Option("--service", help="Only those of this service.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


@app.command()
def ls(*, service: OfService = None, json: AsJson = False) -> None:
    """List dead letters, oldest first."""

    async def read(connection: BusConnection) -> None:
        found = [stored async for stored in list_dead_letters(connection.jetstream(), service)]
        if json:
            print_json({"dead_letters": [{"number": each.sequence, **_fields(each.dead_letter)} for each in found]})
            return
        rows = [(str(each.sequence), *_summary(each.dead_letter)) for each in found]
        table("NUMBER", "SERVICE", "EVENT", "TRIES", "FAILED", "ERROR", rows=rows, right=frozenset({"NUMBER", "TRIES"}))

    on_bus(read)


@app.command()
def show(number: Number, *, json: AsJson = False) -> None:
    """Show a dead letter with its event."""

    async def read(connection: BusConnection) -> None:
        fields = {"number": number, **_fields(await dead_letters.get(connection.jetstream(), number))}
        if json:
            print_json(fields)
            return
        event = fields.pop("event")
        for name, value in fields.items():
            out.print(f"[dim]{name:<12}[/]{escape(str(value))}", soft_wrap=True)
        out.print_json(data=event)

    on_bus(read)


@app.command()
def replay(numbers: Numbers) -> None:
    """Replay dead letters to the service that gave up on them."""

    async def send(connection: BusConnection) -> None:
        for number in numbers:
            letter = await dead_letters.replay(connection.jetstream(), number)
            out.print(f"[green]✓[/] {number} {escape(letter.event_type or letter.subject)} -> {letter.service}")

    on_bus(send)


@app.command()
def discard(numbers: Numbers, *, yes: Yes = False) -> None:
    """Discard dead letters, for good."""
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("this is no terminal: confirm with --yes")
        typer.confirm(f"Discard {len(numbers)} dead letters, for good?", abort=True, err=True)

    async def drop(connection: BusConnection) -> None:
        for number in numbers:
            await dead_letters.discard(connection.jetstream(), number)
            out.print(f"[green]✓[/] {number} discarded")

    on_bus(drop)


def _summary(letter: DeadLetter) -> tuple[str, ...]:
    failed = f"{letter.failed_at.astimezone():%Y-%m-%d %H:%M:%S}"
    return letter.service.value, letter.event_type or letter.subject, str(letter.deliveries), failed, letter.error


def _fields(letter: DeadLetter) -> dict[str, Any]:
    """The letter with its event readable where it is JSON; as text where it is not."""
    fields = letter.model_dump(mode="json", exclude={"payload"})
    text = letter.payload.decode("utf-8", "replace")
    try:
        return {**fields, "event": jsonlib.loads(text)}
    except ValueError:
        return {**fields, "event": text}
