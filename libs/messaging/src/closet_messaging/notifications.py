"""Notifications between the replicas of a service. One may be lost: whoever waits also polls."""

from collections.abc import Callable

from closet_contracts.ownership import Service
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from closet_messaging.connection import wait_until_processed


def _subject(service: Service, name: str) -> str:
    return f"closet.notify.{service}.{name}"


async def notify(nc: Client, service: Service, name: str, payload: bytes = b"") -> None:
    """Notify every replica of `service`, this one included."""
    if nc.is_connected:
        await nc.publish(_subject(service, name), payload)


async def subscribe(nc: Client, service: Service, name: str, on_notification: Callable[[bytes], None]) -> Subscription:
    """Call `on_notification` with the payload of each notification from now on."""

    async def on_message(message: Msg) -> None:
        on_notification(message.data)

    subscription = await nc.subscribe(_subject(service, name), cb=on_message)
    await wait_until_processed(nc)
    return subscription
