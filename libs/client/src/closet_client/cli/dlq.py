"""`closet dlq`: messages that a service gave up on, looked at, sent back, or thrown away."""

import json as jsonlib
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from closet_contracts.ownership import Service
from rich.markup import escape

from closet_client.cli.bus import on_bus
from closet_client.cli.output import out, print_json, table
from closet_client.cli.settings import AsJson

if TYPE_CHECKING:
    from closet_messaging.connection import BusConnection
    from closet_messaging.dead_letters import DeadLetter

app = typer.Typer(name="dlq", help="Messages that a service gave up on (operator).", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="As `closet dlq ls` shows it.")]
Numbers = Annotated[list[int], typer.Argument(metavar="NUMBER...", min=1, help="As `closet dlq ls` shows them.")]
OfService = Annotated[Service | None, typer.Option("--service", help="Only those of one service.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command()
def ls(*, service: OfService = None, json: AsJson = False) -> None:
    """List dead letters, the oldest first."""

    async def read(connection: "BusConnection") -> None:
        from closet_messaging.dead_letters import list_dead_letters  # noqa: PLC0415  the bus is loaded only when it is used

        found = [stored async for stored in list_dead_letters(connection.jetstream(), service)]
        if json:
            print_json({"letters": [{"number": each.sequence, **_fields(each.dead_letter)} for each in found]})
            return
        rows = [(str(each.sequence), *_summary(each.dead_letter)) for each in found]
        table("NUMBER", "SERVICE", "EVENT", "TRIES", "FAILED", "ERROR", rows=rows, right=frozenset({"NUMBER", "TRIES"}))

    on_bus(read)


@app.command()
def show(number: Number, *, json: AsJson = False) -> None:
    """Show a dead letter with its event."""

    async def read(connection: "BusConnection") -> None:
        from closet_messaging import dead_letters  # noqa: PLC0415  the bus is loaded only when it is used

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
    """Send dead letters back to the service that gave up on them."""

    async def send(connection: "BusConnection") -> None:
        from closet_messaging import dead_letters  # noqa: PLC0415  the bus is loaded only when it is used

        for number in numbers:
            letter = await dead_letters.replay(connection.jetstream(), number)
            out.print(f"[green]✓[/] {number} {escape(letter.event_type or letter.subject)} -> {letter.service}")

    on_bus(send)


@app.command()
def discard(numbers: Numbers, *, yes: Yes = False) -> None:
    """Throw dead letters away, for good."""
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("nobody can be asked here: say --yes")
        typer.confirm(f"Throw {len(numbers)} away, for good?", abort=True, err=True)

    async def drop(connection: "BusConnection") -> None:
        from closet_messaging import dead_letters  # noqa: PLC0415  the bus is loaded only when it is used

        for number in numbers:
            await dead_letters.discard(connection.jetstream(), number)
            out.print(f"[green]✓[/] {number} discarded")

    on_bus(drop)


def _summary(letter: "DeadLetter") -> tuple[str, ...]:
    failed = f"{letter.failed_at.astimezone():%Y-%m-%d %H:%M:%S}"
    return letter.service.value, letter.event_type or letter.subject, str(letter.deliveries), failed, letter.error


def _fields(letter: "DeadLetter") -> dict[str, Any]:
    """The letter with its event readable where it is JSON; as text where it is not."""
    fields = letter.model_dump(mode="json", exclude={"payload"})
    text = letter.payload.decode("utf-8", "replace")
    try:
        return {**fields, "event": jsonlib.loads(text)}
    except ValueError:
        return {**fields, "event": text}
