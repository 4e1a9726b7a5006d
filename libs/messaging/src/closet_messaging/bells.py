"""Bells: wake-ups between the replicas of a service. A bell may be lost; who waits also looks by itself."""

from collections.abc import Callable

from closet_contracts.nouns import Service
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from closet_messaging.connection import settled


def _subject(service: Service, name: str) -> str:
    return f"closet.bell.{service}.{name}"


async def ring(nc: Client, service: Service, name: str, payload: bytes = b"") -> None:
    """Ring a bell on every replica of `service`, this one included."""
    if nc.is_connected:
        await nc.publish(_subject(service, name), payload)


async def listen(nc: Client, service: Service, name: str, callback: Callable[[bytes], None]) -> Subscription:
    """Call `callback` with the payload whenever the bell rings from now on."""

    async def heard(message: Msg) -> None:
        callback(message.data)

    subscription = await nc.subscribe(_subject(service, name), cb=heard)
    await settled(nc)
    return subscription
