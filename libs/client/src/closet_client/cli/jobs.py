"""`closet jobs`, `closet job`, `closet balance`: reading what the gateway knows."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from closet_client.cli.output import FAILED, err, out, print_json, run, table
from closet_client.cli.results import save
from closet_client.cli.settings import AsJson, Url, User, client
from closet_client.cli.watch import check_output, coloured, not_lost, watch
from closet_client.models import Job, JobStatus, JobSummary

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="How many, at most.")]
Cursor = Annotated[str, typer.Option("--cursor", help="Go on where an earlier page ended.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow the job until it has ended.")]
Save = Annotated[Path | None, typer.Option("--output", "-o", help="Save what it made here.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("jobs")(jobs)
    app.command("job")(job)
    app.command("balance")(balance)


def jobs(*, limit: Limit = 20, cursor: Cursor = "", url: Url = "", user: User = "", json: AsJson = False) -> None:
    """List the user's jobs, the newest first."""
    run(_jobs(limit, cursor, url, user, json=json))


async def _jobs(limit: int, cursor: str, url: str, user: str, *, json: bool) -> None:
    async with client(url, user) as closet:
        page = await closet.jobs(limit=limit, cursor=cursor or None)
    if json:
        print_json(page)
        return
    rows = [(each.id, each.status.value, _when(each), each.error_code or "") for each in page.jobs]
    table("JOB", "STATUS", "CHANGED", "ERROR", rows=rows)
    if page.next_cursor:
        err.print(f"more: closet jobs --cursor {page.next_cursor}", soft_wrap=True)


def job(  # noqa: PLR0913  one parameter per option
    job_id: Annotated[str, typer.Argument(metavar="ID", help="As `closet jobs` shows it.")],
    *,
    wait: Wait = False,
    output: Save = None,
    url: Url = "",
    user: User = "",
    json: AsJson = False,
) -> None:
    """Show a job; wait for it or save what it made."""
    if output is not None:
        check_output(output)
    run(_job(job_id, wait=wait, output=output, url=url, user=user, json=json))


async def _job(  # noqa: PLR0913  one parameter per option
    job_id: str, *, wait: bool, output: Path | None, url: str, user: str, json: bool
) -> None:
    async with client(url, user) as closet:
        if wait:
            with not_lost(job_id):
                found = await watch(closet, job_id)
        else:
            found = await closet.job(job_id)
        if json:
            print_json(found)
        else:
            _show(found)
        if output is not None:
            for saved in await save(closet, found, output):
                err.print(f"[green]✓[/] {escape(str(saved.file.path))}", soft_wrap=True)
    if wait and found.status is not JobStatus.COMPLETED:
        raise typer.Exit(FAILED)


def balance(*, url: Url = "", user: User = "", json: AsJson = False) -> None:
    """Show the tenant's credits."""
    run(_balance(url, user, json=json))


async def _balance(url: str, user: str, *, json: bool) -> None:
    async with client(url, user) as closet:
        credits = await closet.balance()
    if json:
        print_json(credits)
    else:
        out.print(f"[bold]{credits.available}[/] credits free, {credits.held} held, {credits.balance} in all")


def _show(found: Job) -> None:
    out.print(f"[bold]{found.id}[/]  {coloured(found.status)}")
    rows = {
        "changed": _when(found),
        "attempts": str(found.attempts),
        "results": str(len(found.result_urls)),
        "error": f"{found.error_message} ({found.error_code})" if found.error_code else "",
    }
    for name, value in rows.items():
        if value:
            out.print(f"  {name:<10}{value}", markup=False, soft_wrap=True)


def _when(found: JobSummary) -> str:
    return found.updated_at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if found.updated_at else ""
