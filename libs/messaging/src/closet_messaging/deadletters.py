"""Dead letters: what a service could not handle, kept for an operator to look at, send back or throw away."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated
from uuid import uuid4

from closet_contracts.model import Model
from closet_contracts.nouns import Service
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError
from pydantic import ConfigDict, Field

from closet_messaging.streams import DLQ, type_in

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


class StoredLetter(Model):
    """A dead letter with the number that an operator names it by."""

    number: int
    letter: DeadLetter


class NoSuchLetter(LookupError):
    """No dead letter has that number; it may have been replayed, discarded or have aged out."""


def short(error: Exception) -> str:
    """What an error says in a line. Further lines, of which PostgreSQL's quote rows, stay out."""
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


async def letters(js: JetStreamContext, service: Service | None = None) -> AsyncIterator[StoredLetter]:
    """All dead letters, oldest first; of one service if named."""
    subject = f"closet.dlq.{service}" if service else DLQ.subjects
    number = 0
    while True:
        try:
            message = await js.get_msg(DLQ.name, seq=number + 1, subject=subject, next=True)
        except NotFoundError:
            return
        number = message.seq or 0
        yield StoredLetter(number=number, letter=DeadLetter.model_validate_json(message.data or b""))


async def show(js: JetStreamContext, number: int) -> DeadLetter:
    """One dead letter.

    Raises:
        NoSuchLetter: there is none of that number.
    """
    try:
        message = await js.get_msg(DLQ.name, seq=number)
    except NotFoundError:
        raise NoSuchLetter(f"no dead letter has the number {number}") from None
    return DeadLetter.model_validate_json(message.data or b"")


async def replay(js: JetStreamContext, number: int) -> DeadLetter:
    """Send a dead letter back to the service that gave up on it, and to no other; then it is no dead letter any more.

    Raises:
        NoSuchLetter: there is none of that number.
        nats.errors.Error: the bus did not take it; the letter is still there.
    """
    letter = await show(js, number)
    # What the bus was told of the first publishing, such as its place in an atomic batch, is not true of this one. Its
    # message id is its own: neither the first publishing nor an earlier replay may make the bus drop it.
    headers = {name: value for name, value in letter.headers.items() if not name.lower().startswith("nats-")}
    headers["Nats-Msg-Id"] = f"replay.{number}.{uuid4().hex}"
    subject = f"closet.replay.{letter.service}.{letter.event_type or type_in(letter.subject)}"
    await js.publish(subject, letter.payload, headers=headers)
    await discard(js, number)
    return letter


async def discard(js: JetStreamContext, number: int) -> None:
    """Throw a dead letter away.

    Raises:
        NoSuchLetter: there is none of that number.
    """
    try:
        await js.delete_msg(DLQ.name, number)
    except APIError as error:
        if error.err_code != _NO_SUCH_MESSAGE:
            raise
        raise NoSuchLetter(f"no dead letter has the number {number}") from None
