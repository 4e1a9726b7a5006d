"""What is said to the bus about a message: done, again later, never again, still at it."""

from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime

import structlog
from closet_contracts.nouns import Service
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from closet_messaging import deadletters
from closet_messaging.deadletters import DeadLetter
from closet_messaging.delivery import Delivery

log = structlog.get_logger(__name__)

LETTER_RETRY_S = 30.0


class Verdicts:
    """Says it for one service. A word that is lost costs a delivery more, which the inbox absorbs."""

    def __init__(self, nc: Client, service: Service) -> None:
        self._js = nc.jetstream()
        self._service = service

    async def done(self, messages: Iterable[Msg]) -> None:
        """Handled, and committed."""
        for message in messages:
            await _say(message.ack())

    async def again(self, message: Msg, delay_s: float = 0.0) -> None:
        """Deliver it again, to any replica, not before `delay_s` seconds."""
        await _say(message.nak(delay=delay_s))

    async def still(self, messages: Iterable[Msg]) -> None:
        """Being worked on, or waiting for its turn: do not deliver it again yet."""
        for message in messages:
            if not message.is_acked:
                await _say(message.in_progress())

    async def bury(
        self, message: Msg, error: Exception, delivery: Delivery | None = None, handler: str | None = None
    ) -> None:
        """A dead letter, and only when the bus holds that, an end to deliveries."""
        letter = self._letter(message, error, delivery, handler)
        log.error("dead_letter", type=letter.event_type, event_id=letter.event_id, reason=letter.error)
        try:
            await deadletters.send(self._js, letter)
        except (Error, OSError):
            await self.again(message, LETTER_RETRY_S)
        else:
            await _say(message.term())

    def _letter(self, message: Msg, error: Exception, delivery: Delivery | None, handler: str | None) -> DeadLetter:
        return DeadLetter(
            service=self._service,
            subject=message.subject,
            stream=message.metadata.stream,
            stream_seq=message.metadata.sequence.stream,
            event_id=delivery.event.id if delivery else None,
            event_type=delivery.event.type if delivery else None,
            handler=handler,
            deliveries=message.metadata.num_delivered,
            error=deadletters.short(error),
            failed_at=datetime.now(UTC),
            payload=message.data,
            headers=dict(message.headers or {}),
        )


async def _say(word: Awaitable[None]) -> None:
    try:
        await word
    except (Error, OSError) as error:
        log.warning("not_said", error=type(error).__name__)
