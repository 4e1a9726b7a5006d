"""Dead letters: what a service could not handle, kept for an operator to read, replay or discard."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated
from uuid import uuid4

from closet_contracts.model import Model
from closet_contracts.ownership import Service
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError
from pydantic import ConfigDict, Field

from closet_messaging.streams import DLQ, event_type_of

_NO_SUCH_MESSAGE = 10057  # the server's own code; deleting has no 404


class DeadLetter(Model):
    """A message that a service gave up on, and why."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    service: Service
    subject: str
    stream: str
    stream_seq: int
    event_id: str | None = None
    event_type: str | None = None
    handler: str | None = None
    deliveries: Annotated[int, Field(ge=1)]
    error: str
    failed_at: datetime
    payload: bytes
    headers: dict[str, str]


class StoredDeadLetter(Model):
    """A dead letter with its sequence in the stream, by which an operator names it."""

    sequence: int
    dead_letter: DeadLetter


class DeadLetterNotFound(LookupError):
    """No dead letter has that sequence: it may have been replayed, discarded or have aged out."""


def summarise(error: Exception) -> str:
    """Return an error in one line. Further lines, in which PostgreSQL quotes rows, stay out."""
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"


async def send(js: JetStreamContext, letter: DeadLetter) -> None:
    """Store a dead letter; once for each delivery that failed.

    Raises:
        nats.errors.Error: the bus did not acknowledge it.
    """
    message_id = f"{letter.service}.{letter.stream}.{letter.stream_seq}.{letter.deliveries}"
    await js.publish(
        f"closet.dlq.{letter.service}", letter.model_dump_json().encode(), headers={"Nats-Msg-Id": message_id}
    )


async def list_dead_letters(js: JetStreamContext, service: Service | None = None) -> AsyncIterator[StoredDeadLetter]:
    """Yield all dead letters, oldest first; of one service if named."""
    subject = f"closet.dlq.{service}" if service else DLQ.subjects
    sequence = 0
    while True:
        try:
            message = await js.get_msg(DLQ.name, seq=sequence + 1, subject=subject, next=True)
        except NotFoundError:
            return
        sequence = message.seq or 0
        yield StoredDeadLetter(sequence=sequence, dead_letter=DeadLetter.model_validate_json(message.data or b""))


async def get(js: JetStreamContext, sequence: int) -> DeadLetter:
    """Return one dead letter.

    Raises:
        DeadLetterNotFound: there is none with that sequence.
    """
    try:
        message = await js.get_msg(DLQ.name, seq=sequence)
    except NotFoundError:
        raise DeadLetterNotFound(f"no dead letter has the number {sequence}") from None
    return DeadLetter.model_validate_json(message.data or b"")


async def replay(js: JetStreamContext, sequence: int) -> DeadLetter:
    """Replay a dead letter to the service that gave up on it, and to no other; then remove it.

    Raises:
        DeadLetterNotFound: there is none with that sequence.
        nats.errors.Error: the bus did not take it; the letter is still there.
    """
    letter = await get(js, sequence)
    # Headers of the first publishing, such as its place in an atomic batch, are not true of this one. Its
    # message id is its own: neither the first publishing nor an earlier replay may make the bus drop it.
    headers = {name: value for name, value in letter.headers.items() if not name.lower().startswith("nats-")}
    headers["Nats-Msg-Id"] = f"replay.{sequence}.{uuid4().hex}"
    subject = f"closet.replay.{letter.service}.{letter.event_type or event_type_of(letter.subject)}"
    await js.publish(subject, letter.payload, headers=headers)
    await discard(js, sequence)
    return letter


async def discard(js: JetStreamContext, sequence: int) -> None:
    """Discard a dead letter.

    Raises:
        DeadLetterNotFound: there is none with that sequence.
    """
    try:
        await js.delete_msg(DLQ.name, sequence)
    except APIError as error:
        if error.err_code != _NO_SUCH_MESSAGE:
            raise
        raise DeadLetterNotFound(f"no dead letter has the number {sequence}") from None
