"""What the demonstration found out, for people and for programs."""

from pathlib import Path

from closet_client import JobEvent
from closet_contracts.model import Model
from closet_contracts.rpc import LedgerPage


class Moment(Model):
    """A fact of the job's life, `at_ms` after it was asked for."""

    event: str
    service: str
    at_ms: int


class Booked(Model):
    """What the ledger says of one job, in credits."""

    held: int
    captured: int


class Report(Model):
    """What is written to `report.json`. Times in milliseconds; overhead: to completed, less the vendor's own time."""

    job_id: str
    status: str
    result_path: str
    person_path: str
    garment_path: str
    credits_held: int
    credits_captured: int
    balance_before: int
    balance_after: int
    vendor_calls: int
    trace_id: str
    spans_by_service: dict[str, int]
    timeline: tuple[Moment, ...]
    vendor_ms: int
    overhead_ms: int

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(self.model_dump_json(indent=2) + "\n")


def booked(page: LedgerPage, job_id: str) -> Booked:
    """What was held and captured for a job, summed from its ledger lines."""
    lines = [line for line in page.lines if line.cause == job_id]
    return Booked(
        held=sum(line.held for line in lines if line.kind == "hold"),
        captured=-sum(line.amount for line in lines if line.kind == "capture"),
    )


def moments(events: list[JobEvent]) -> tuple[Moment, ...]:
    """The job's timeline."""
    return tuple(
        Moment(event=event.type.removeprefix("closet."), service=event.service, at_ms=event.elapsed_ms)
        for event in events
    )
