"""What a service cannot do to the bus, neither by its own word nor by having the server say it."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from closet_contracts.ownership import OWNERS, Service
from closet_messaging.streams import subscriptions
from closet_operator.permissions import may_publish
from nats.aio.client import Client
from nats.errors import Error

from .conftest import AsService

API = [
    *("INFO", "ACCOUNT.PURGE.CLOSET", "META.LEADER.STEPDOWN", "SERVER.REMOVE", "STREAM.NAMES", "STREAM.LIST"),
    *(
        f"STREAM.{verb}.CLOSET_UPLOAD"
        for verb in (
            *("CREATE", "UPDATE", "INFO", "DELETE", "PURGE", "MSG.DELETE", "MSG.GET", "SNAPSHOT", "RESTORE"),
            *("PEER.REMOVE", "LEADER.STEPDOWN"),
        )
    ),
    "DIRECT.GET.CLOSET_UPLOAD",
    "CONSUMER.NAMES.CLOSET_UPLOAD",
    "CONSUMER.LIST.CLOSET_UPLOAD",
    "CONSUMER.CREATE.CLOSET_UPLOAD",
    "CONSUMER.CREATE.CLOSET_UPLOAD.mine",
    "CONSUMER.DURABLE.CREATE.CLOSET_UPLOAD.mine",
    *(
        f"CONSUMER.{verb}.CLOSET_UPLOAD.{Service.JOB_ORCHESTRATOR}"
        for verb in ("INFO", "DELETE", "PAUSE", "LEADER.STEPDOWN", "UNPIN", "MSG.NEXT", "RESET")
    ),
]


async def state(operator: Client) -> dict[str, object]:
    """Every stream and consumer, with what is in it or has been given out."""
    js, found = operator.jetstream(), dict[str, object]()
    for stream in await js.streams_info():
        name = str(stream.config.name)
        found[name] = stream.config, stream.state.messages, stream.state.last_seq
        for one in await js.consumers_info(name):
            found[f"{name}/{one.name}"] = one.config, one.num_ack_pending, one.delivered
    return found


def foreign(service: Service) -> list[str]:
    """The parts of the API that are none of its business."""
    return [f"$JS.API.{verb}" for verb in API if f"$JS.API.{verb}" not in may_publish(service)]


@pytest.mark.parametrize("service", list(Service))
async def test_of_the_api_a_service_reaches_its_own_alone(
    service: Service, as_service: AsService, operator: Client
) -> None:
    nc, before = await as_service(service), await state(operator)
    for subject in foreign(service):
        for alias in (subject, subject.replace("$JS.API.", "closet.api.")):
            with pytest.raises(Error):
                await nc.request(alias, b"", timeout=0.02)
    assert await state(operator) == before


@pytest.mark.parametrize("service", list(Service))
async def test_no_reply_subject_leads_to_what_is_not_its_own(
    service: Service, as_service: AsService, operator: Client
) -> None:
    """JetStream publishes to the reply subject of a request without asking whether the requester may."""
    nc, js = await as_service(service), operator.jetstream()
    own = next(one for one in subscriptions(service) if one.stream.name != "CLOSET_REPLAY")
    noun = next(noun for noun, owner in OWNERS.items() if owner is service)
    others = [f"closet.{other}.forged.v1" for other, owner in OWNERS.items() if owner is not service]
    targets = [*foreign(service), *others, "closet.replay.billing-meter.x", "closet.rpc.upload-signer.sign_get.v1"]
    pull = f"$JS.API.CONSUMER.MSG.NEXT.{own.stream.name}.{service}"
    await js.publish(own.subjects[0], b"")
    wish = json.dumps({"batch": 1, "expires": 5_000_000_000}).encode()

    message = await nc.request(pull, wish, timeout=10, old_style=True)

    async def by_pull(target: str) -> None:
        await js.publish(own.subjects[0], b"")  # an empty body is a valid request to delete
        await nc.publish(pull, wish, reply=target)

    async def by_ack(target: str) -> None:
        await js.publish(own.subjects[0], b"")
        await nc.publish(message.reply, b"+NXT", reply=target)
        await nc.publish(message.reply, b"+ACK", reply=target)

    async def by_acknowledgement(target: str) -> None:
        await nc.publish(f"closet.{noun}.tried.v1", b"", reply=target)
        await nc.publish(f"closet.dlq.{service}", b"", reply=target)
        await nc.publish(f"$JS.API.CONSUMER.INFO.{own.stream.name}.{service}", b"", reply=target)

    before = await state(operator)
    detours: list[Callable[[str], Awaitable[None]]] = [by_pull, by_ack, by_acknowledgement]
    for detour in detours:
        for target in targets:
            await detour(target)
    await asyncio.gather(nc.flush(), operator.flush())
    after = await state(operator)
    mine = {own.stream.name, f"{own.stream.name}/{service}", f"CLOSET_{noun.upper()}", "CLOSET_DLQ"}
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} <= mine
