"""`make demo`: one real try-on through everything, from a photo and a garment to a paid picture."""

import asyncio
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from closet_client import ApiKey, Category, ClosetClient, Job, JobEvent, Size
from rich.console import Console
from rich.table import Table

from closet_devstack import samples
from closet_devstack.folders import claimed, empty
from closet_devstack.otlp import OtlpReceiver, receiving
from closet_devstack.report import Booked, Report, booked, moments
from closet_devstack.shop import SHOPPER, read_ledger, settled
from closet_devstack.stack import Stack, StackOptions
from closet_devstack.tenants import make_tenant
from closet_devstack.testing import eventually

CREDITS = 100
SIZE = Size(width=768, height=1024)
TENANT = "demo"


class DemoFailed(Exception):
    """The demonstration did not end as it should; the message says how."""


@dataclass
class _Trace:
    """The trace that the client's POST begins; every other request of the client stays out of it."""

    trace_id: str = field(default_factory=lambda: secrets.token_hex(16))
    active: bool = False

    def headers(self) -> dict[str, str]:
        return {"traceparent": f"00-{self.trace_id}-{secrets.token_hex(8)}-01"} if self.active else {}


@dataclass
class _Ran:
    """What the try-on left behind."""

    events: list[JobEvent]
    job: Job
    result: Path
    total_ms: int
    balance_before: int
    balance_after: int
    vendor_calls: int
    """Those for the picture; what the service asks about its account and the templates is beside it."""
    vendor_ms: int
    ledger: Booked


async def demo(folder: Path) -> Report:
    """Run everything in `folder`, tell a person about it, and write `report.json`.

    Raises:
        DemoFailed: the job did not complete, or not every service had a part in its trace.
        FolderInUse: another one runs in that folder.
    """
    with claimed(folder):
        return await _demo(folder)


async def _demo(folder: Path) -> Report:
    console = Console(highlight=False, soft_wrap=True)
    person, garment = await asyncio.to_thread(_inputs, folder)
    trace = _Trace()
    async with receiving() as traces:
        # Left before the report is made: services send their last spans while they stop.
        async with _started(console, traces) as stack:
            ran = await _try_on(console, stack, trace, (person, garment), folder / "result")
        report = _report(ran, trace, traces, person, garment)
    report.write(folder / "report.json")
    _tell(console, report, folder)
    _judge(report)
    return report


def _inputs(folder: Path) -> tuple[Path, Path]:
    """The folder, emptied, with a photo and a garment in it."""
    empty(folder)
    return samples.write_samples(folder)


class _started:  # noqa: N801 - reads as what it gives
    """The stack with all five services, told step by step."""

    def __init__(self, console: Console, traces: OtlpReceiver) -> None:
        self._console = console
        self._stack = Stack(StackOptions(environment=traces.env()))

    async def __aenter__(self) -> Stack:
        with _step(self._console, "NATS, PostgreSQL, S3 and the vendor's sandbox"):
            await self._stack.__aenter__()
        try:
            with _step(self._console, "upload-signer, job-orchestrator, perfect-adapter, billing-meter, kiosk-gateway"):
                await self._stack.start_services()
        except BaseException:
            await self._stack.__aexit__(None, None, None)
            raise
        return self._stack

    async def __aexit__(self, *error: object) -> None:
        with _step(self._console, "everything stopped"):
            await self._stack.__aexit__(None, None, None)


async def _try_on(console: Console, stack: Stack, trace: _Trace, inputs: tuple[Path, Path], result: Path) -> _Ran:
    with _step(console, f"a tenant with an API key and {CREDITS} credits"):
        tenant = await make_tenant(stack, TENANT, CREDITS)
    async with ClosetClient(
        stack.url("kiosk-gateway"), ApiKey(tenant.api_key, SHOPPER), context=trace.headers
    ) as client:
        with _step(console, "the shopper's consent; photo and garment straight to storage"):
            await client.give_consent()
            person, garment = [await client.upload(path) for path in inputs]
        before = await eventually(client.balance)
        quote = await client.estimate(size=SIZE)
        console.print(f"  quote: {quote.credits} credits (${quote.usd}) of {quote.balance}")
        began = time.monotonic()
        trace.active = True
        created = await client.try_on(person, garment, category=Category.DRESS, size=SIZE)
        trace.active = False
        console.print(f"  job {created.job_id}")
        events = [_shown(console, event) async for event in client.follow(created.job_id)]
        total_ms = round((time.monotonic() - began) * 1000)
        job = await settled(client, created.job_id)
        if job.status != "completed":
            raise DemoFailed(f"{job.id} {job.status}: {job.error_code}: {job.error_message}")
        saved = await client.download(job.result_urls[0], result)
        after = await client.balance()
    tasks, stats = await stack.vendor.tasks(), await stack.vendor.stats()
    return _Ran(
        events=events,
        job=job,
        result=saved.path,
        total_ms=total_ms,
        balance_before=before.balance,
        balance_after=after.balance,
        vendor_calls=sum(stats["callsByOperation"].get(operation, 0) for operation in ("create", "look")),
        vendor_ms=round(sum(task["endedAt"] - task["createdAt"] for task in tasks) * 1000),
        ledger=booked(await read_ledger(stack, tenant), job.id),
    )


def _report(ran: _Ran, trace: _Trace, traces: OtlpReceiver, person: Path, garment: Path) -> Report:
    return Report(
        job_id=ran.job.id,
        status=ran.job.status,
        result_path=str(ran.result),
        person_path=str(person),
        garment_path=str(garment),
        credits_held=ran.ledger.held,
        credits_captured=ran.ledger.captured,
        balance_before=ran.balance_before,
        balance_after=ran.balance_after,
        vendor_calls=ran.vendor_calls,
        trace_id=trace.trace_id,
        spans_by_service=dict(sorted(traces.services(trace.trace_id).items())),
        timeline=moments(ran.events),
        vendor_ms=ran.vendor_ms,
        overhead_ms=ran.total_ms - ran.vendor_ms,
    )


def _judge(report: Report) -> None:
    if len(report.spans_by_service) != 5:  # noqa: PLR2004 - the five services
        raise DemoFailed(f"the trace shows only {', '.join(report.spans_by_service)}")
    if report.credits_captured != report.balance_before - report.balance_after:
        raise DemoFailed("what was captured and what the balance lost differ")


def _shown(console: Console, event: JobEvent) -> JobEvent:
    name = event.type.removeprefix("closet.")
    console.print(f"  [dim]{event.elapsed_ms:>6} ms[/dim]  {event.service:<17} {name}")
    return event


def _tell(console: Console, report: Report, folder: Path) -> None:
    table = Table.grid(padding=(0, 2))
    spans = sum(report.spans_by_service.values())
    table.add_row("picture", report.result_path)
    table.add_row("cost", f"{report.credits_captured} credits: {report.balance_before} -> {report.balance_after}")
    table.add_row("time", f"{report.vendor_ms} ms at the vendor, {report.overhead_ms} ms everything else")
    table.add_row("vendor", f"{report.vendor_calls} calls")
    table.add_row("trace", f"{report.trace_id}: {spans} spans from {len(report.spans_by_service)} services")
    table.add_row("report", str(folder / "report.json"))
    console.print(table)


@contextmanager
def _step(console: Console, what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    console.print(f"[green]✓[/green] {what} [dim]{time.monotonic() - began:.1f} s[/dim]")
