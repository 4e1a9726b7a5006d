"""Publishing rows of the outbox to JetStream, each stored once however often it is tried."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

import orjson
import structlog
from closet_contracts.codec import CONTENT_TYPE
from closet_contracts.nouns import noun_of
from nats.aio.client import Client
from nats.errors import Error

from closet_messaging.metrics import PUBLISHED
from closet_messaging.unit import OutboxRow

log = structlog.get_logger(__name__)

TIMEOUT_S: Final = 5.0
# With every message flushed to disk an atomic batch costs the server 2.7 ms and 0.03 ms a message; single publishes,
# in flight together, cost 0.3 ms a message. They break even at about eight.
ATOMIC_FROM: Final = 8


async def publish(nc: Client, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """Publish `rows`, those of one stream in their order; returns those that the bus now holds.

    Never raises for what the bus does: rows that are missing from the answer are to be offered again. A row whose
    acknowledgement was lost is recognised by its message id and not stored twice.
    """
    streams = defaultdict(list)
    for row in rows:
        streams[noun_of(row.subject)].append(row)
    stored = await asyncio.gather(*(_to_one_stream(nc, group) for group in streams.values()))
    return [row for group in stored for row in group]


async def _to_one_stream(nc: Client, rows: Sequence[OutboxRow]) -> Sequence[OutboxRow]:
    if len(rows) >= ATOMIC_FROM:
        if await _atomic(nc, rows):
            PUBLISHED.labels("batch").inc(len(rows))
            return rows
        if not nc.is_connected:
            return []
    outcomes = await asyncio.gather(*(_single(nc, row) for row in rows))
    stored = [row for row, ok in zip(rows, outcomes, strict=True) if ok]
    PUBLISHED.labels("single").inc(len(stored))
    return stored


async def _atomic(nc: Client, rows: Sequence[OutboxRow]) -> bool:
    """All or nothing (ADR-50 of NATS). A batch that holds a message the stream already has is refused."""
    batch = uuid4().hex
    try:
        for number, row in enumerate(rows[:-1], start=1):
            await nc.publish(row.subject, row.payload, headers=_headers(row) | _member(batch, number))
        commit = _member(batch, len(rows)) | {"Nats-Batch-Commit": "1"}
        answer = await _acknowledged(nc, rows[-1], commit)
    except (Error, OSError) as error:
        log.warning("batch_not_acknowledged", rows=len(rows), error=type(error).__name__)
        return False
    if "error" in answer:
        log.info("batch_refused", rows=len(rows), reason=answer["error"].get("description"))
    return bool(answer.get("count") == len(rows))


async def _single(nc: Client, row: OutboxRow) -> bool:
    try:
        answer = await _acknowledged(nc, row, {})
    except (Error, OSError) as error:
        log.warning("event_not_acknowledged", event_id=row.id, type=row.subject, error=type(error).__name__)
        return False
    if "error" in answer:
        reason = answer["error"].get("description")
        log.warning("event_refused", event_id=row.id, type=row.subject, reason=reason)
        return False
    return True  # also when it says "duplicate": an earlier try arrived


async def _acknowledged(nc: Client, row: OutboxRow, extra: dict[str, str]) -> dict[str, Any]:
    message = await nc.request(row.subject, row.payload, TIMEOUT_S, headers=_headers(row) | extra)
    answer: dict[str, Any] = orjson.loads(message.data)
    return answer


def _member(batch: str, number: int) -> dict[str, str]:
    return {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}


def _headers(row: OutboxRow) -> dict[str, str]:
    headers = {
        "Nats-Msg-Id": f"{row.id}.r{row.replays}" if row.replays else row.id,
        "Content-Type": CONTENT_TYPE,
    }
    if row.traceparent:
        headers["traceparent"] = row.traceparent
    return headers
