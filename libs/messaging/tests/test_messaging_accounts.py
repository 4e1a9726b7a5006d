"""Streams made before there were accounts move into the account of JetStream, with what was read of them."""

import json
from collections.abc import Mapping
from pathlib import Path

from closet_contracts.codec import encode
from closet_contracts.envelope import new_event
from closet_contracts.ownership import Service
from closet_devstack.bus import new_passwords, provision
from closet_devstack.servers.nats import NatsServer, Users
from closet_messaging.connection import connect, drain
from closet_operator.permissions import STREAMS_ACCOUNT, server_users
from nats.js.api import ConsumerInfo

from .conftest import TENANT, failed

STREAM = "CLOSET_JOB"


def without_accounts(passwords: Mapping[str, str]) -> str:
    """Everybody in the global account, as servers were configured once."""
    users = [{"user": user, "password": password} for user, password in passwords.items()]
    return f"authorization {{ users: {json.dumps(users)} }}"


def server(folder: Path, passwords: Mapping[str, str], users: Users) -> NatsServer:
    return NatsServer(folder, passwords, users, durable=False)


async def publish_two_and_read_one(url: str) -> None:
    nc = await connect(url, "operator")
    for version in (1, 2):
        event = new_event(failed(version=version), tenant=TENANT)
        await nc.jetstream().publish(event.type, encode(event))
    reader = await nc.jetstream().pull_subscribe_bind(Service.BILLING_METER, STREAM)
    [message] = await reader.fetch(1)
    await message.ack_sync()
    await drain(nc)


async def read_of(url: str) -> ConsumerInfo:
    nc = await connect(url, "operator")
    try:
        info: ConsumerInfo = await nc.jetstream().consumer_info(STREAM, Service.BILLING_METER)
    finally:
        await drain(nc)
    return info


async def test_old_streams_are_taken_over_by_a_rename(tmp_path: Path) -> None:
    passwords = new_passwords()
    with server(tmp_path, passwords, without_accounts) as old:
        await provision(old.url())
        await publish_two_and_read_one(old.url())
    streams = tmp_path / "store" / "jetstream"
    (streams / "$G").rename(streams / STREAMS_ACCOUNT)
    with server(tmp_path, passwords, server_users) as new:
        found = await read_of(new.url())
        assert (found.ack_floor and found.ack_floor.stream_seq, found.num_pending) == (1, 1)
        await provision(new.url())
        assert (await read_of(new.url())).num_pending == 1
        nc = await connect(new.url(Service.BILLING_METER), Service.BILLING_METER)
        reply = await nc.request(f"$JS.API.CONSUMER.INFO.{STREAM}.{Service.BILLING_METER}", b"")
        assert json.loads(reply.data)["num_pending"] == 1
        await drain(nc)
