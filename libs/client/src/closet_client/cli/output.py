"""What a person sees: results on standard output, everything else on standard error; and the exit codes."""

import asyncio
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, NoReturn

import typer
from closet_contracts.model import Model
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from closet_client.errors import ApiProblem, ClosetError

FAILED = 1
_PIPE_WIDTH = 10_000

# In a pipe nothing is wrapped or cut: a line is a line.
out = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
err = Console(stderr=True, highlight=False)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a command to its end; a problem becomes a sentence and exit code 1."""
    try:
        asyncio.run(work)
    except (ClosetError, OSError) as error:
        fail(sentence(error))


def fail(message: str) -> NoReturn:
    """Say what went wrong and end with exit code 1."""
    err.print(f"[bold red]✗[/] {escape(message)}", soft_wrap=True)
    raise typer.Exit(FAILED)


def sentence(error: Exception) -> str:
    """An error for a person, with what support needs to find it."""
    if isinstance(error, ApiProblem) and error.trace_id:
        return f"{error} [trace {error.trace_id}]"
    if isinstance(error, OSError):
        return f"{error.strerror or type(error).__name__}: {error.filename}" if error.filename else str(error)
    return str(error)


def print_json(data: Model | dict[str, Any]) -> None:
    """Print one JSON document, in colour where a person looks."""
    body = data.model_dump(mode="json") if isinstance(data, Model) else data
    out.print_json(data=body)


def raw(text: str) -> None:
    """Print exactly this."""
    sys.stdout.write(text)


def table(*columns: str, rows: Sequence[Sequence[str]], right: frozenset[str] = frozenset()) -> None:
    """Print rows under headings. Only the last column wraps, and nothing does in a pipe."""
    if not rows:
        err.print("none")
        return
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        grid.add_column(name, justify="right" if name in right else "left", no_wrap=name != columns[-1])
    for row in rows:
        grid.add_row(*(escape(cell) for cell in row))
    out.print(grid)
