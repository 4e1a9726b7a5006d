"""Jobs as clients see them."""

from typing import Any

from kiosk_gateway.http import models
from kiosk_gateway.store.jobs import Job, Line

PREFIX = "/api"


def usd(cents: int) -> str:
    """`5.00` for 500 cents."""
    return f"{cents // 100}.{cents % 100:02}"


def links(base: str, job_id: str) -> dict[str, str]:
    """Where the job can be followed and cancelled."""
    url = f"{base.rstrip('/')}{PREFIX}/gen/job/{job_id}"
    return {"status_url": url, "events_url": f"{url}/events", "cancel_url": f"{url}/cancel"}


def summary(base: str, job: Job) -> models.JobSummary:
    """A job in a list."""
    return models.JobSummary(**_common(base, job))


def detail(base: str, job: Job, result_urls: tuple[str, ...], expire_in: int | None) -> models.Job:
    """A job by itself; its timeline in the order in which things happened."""
    timeline = sorted(job.timeline, key=lambda line: (line.at, line.seq))
    return models.Job(
        **_common(base, job),
        result_urls=result_urls,
        result_urls_expire_in=expire_in,
        timeline=tuple(entry(job, line) for line in timeline),
    )


def entry(job: Job, line: Line) -> models.TimelineEntry:
    """One line of the timeline."""
    return models.TimelineEntry(
        id=str(line.seq),
        type=line.type,
        service=line.service,
        status=line.status,
        progress=line.progress,
        at=line.at,
        elapsed_ms=max(0, round((line.at - job.created_at).total_seconds() * 1000)),
        inputs=tuple(
            models.Place(item=each.item, role=each.role) for each in job.inputs if each.upload_id == line.part
        ),
        item=_item(line.part),
        code=line.code,
    )


def _item(part: str) -> int | None:
    """Which task a line is about, if it is about an attempt: `item.attempt`."""
    item, is_attempt, _ = part.partition(".")
    return int(item) if is_attempt else None


def _common(base: str, job: Job) -> dict[str, Any]:
    return {
        "id": job.job_id,
        "type": job.kind,
        "status": job.status,
        "progress": job.progress,
        "attempts": job.attempts,
        "cost": models.Cost(credits=job.credits, usd=usd(job.usd_cents)),
        "credits_charged": job.credits_charged,
        "results": tuple(_result(base, job, number) for number in range(len(job.results))),
        "failures": tuple(models.Failure(**failure.model_dump(by_alias=False)) for failure in job.failures),
        "error_code": job.error_code,
        "error_message": job.error_message,
        "error_tip": job.error_tip,
        "cancel_requested": job.cancel_requested_at is not None,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "ended_at": job.ended_at,
        **links(base, job.job_id),
    }


def _result(base: str, job: Job, number: int) -> models.Result:
    asset = job.results[number]
    asset_id = f"{job.job_id}.{number}"
    return models.Result(
        asset_id=asset_id,
        item=asset.item,
        label=asset.label,
        content_type=asset.content_type,
        width=asset.width,
        height=asset.height,
        size_bytes=asset.size_bytes,
        download_url=f"{base.rstrip('/')}{PREFIX}/gen/download/{asset_id}",
    )
