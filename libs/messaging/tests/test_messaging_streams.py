import pytest
from closet_contracts.catalog import STREAMS
from closet_contracts.ownership import OWNERS, Service
from closet_devstack.testing import eventually
from closet_messaging import streams
from closet_messaging.streams import Drift, provision, verify
from closet_operator.permissions import server_users
from nats.aio.client import Client
from nats.errors import TimeoutError as NoAnswer
from nats.js.api import RetentionPolicy

from .conftest import AsService, House


async def test_provisioning_again_changes_nothing_and_every_service_finds_what_it_needs(
    operator: Client, as_service: AsService
) -> None:
    assert await provision(operator.jetstream()) == []
    for service in Service:
        await verify((await as_service(service)).jetstream(), service)


async def test_provisioning_repairs_what_can_be_repaired(operator: Client) -> None:
    js = operator.jetstream()
    await js.delete_consumer("CLOSET_JOB", Service.BILLING_METER)
    config = (await js.stream_info("CLOSET_JOB")).config
    await js.update_stream(config.evolve(max_age=3600))
    assert await provision(js) == ["changed CLOSET_JOB", "created or changed CLOSET_JOB/billing-meter"]
    await verify(js, Service.BILLING_METER)


async def test_provisioning_refuses_what_would_lose_messages(operator: Client) -> None:
    js = operator.jetstream()
    await js.delete_stream("CLOSET_JOB")
    config = streams.stream_config(STREAMS[2])
    assert config.name == "CLOSET_JOB"
    await js.add_stream(config.evolve(retention=RetentionPolicy.INTEREST))
    with pytest.raises(Drift, match="CLOSET_JOB: retention is interest, not limits"):
        await provision(js)


async def test_a_service_does_not_start_on_a_bus_that_drifted(house: House, operator: Client) -> None:
    js = operator.jetstream()
    consumer = (await js.consumer_info("CLOSET_JOB", Service.BILLING_METER)).config
    await js.add_consumer("CLOSET_JOB", consumer.evolve(name=Service.BILLING_METER, ack_wait=60))
    await js.delete_stream("CLOSET_CREDIT")
    with pytest.raises(Drift) as caught:
        await house.open(Service.BILLING_METER)
    assert caught.value.differences == [
        "CLOSET_CREDIT is missing",
        "CLOSET_JOB/billing-meter: ack_wait is 60.0, not 10.0",
    ]


@pytest.mark.parametrize("service", list(Service))
async def test_a_service_may_publish_its_own_nouns_and_no_others(service: Service, as_service: AsService) -> None:
    nc = await as_service(service)
    for noun, owner in OWNERS.items():
        publishing = nc.jetstream().publish(f"closet.{noun}.tried.v1", b"{}", timeout=10 if owner is service else 0.2)
        if owner is service:
            assert (await publishing).stream == f"CLOSET_{noun.upper()}"
        else:
            with pytest.raises(NoAnswer):
                await publishing
            assert "permissions violation" in str(nc.last_error)


@pytest.mark.parametrize(
    "subject",
    [
        "$JS.API.STREAM.DELETE.CLOSET_JOB",
        "$JS.API.CONSUMER.MSG.NEXT.CLOSET_JOB.kiosk-gateway",
        "$JS.ACK.CLOSET_JOB.kiosk-gateway.1.1.1.1.0",
        "closet.dlq.kiosk-gateway",
        "closet.replay.kiosk-gateway.closet.job.failed.v1",
        "closet.bell.kiosk-gateway.jobs",
        "closet.rpc.upload-signer.sign_get.v1",
        "_INBOX_kiosk-gateway.x",
    ],
)
async def test_a_service_may_not_meddle_in_the_affairs_of_others(subject: str, as_service: AsService) -> None:
    nc = await as_service(Service.BILLING_METER)
    await nc.publish(subject, b"")
    await eventually(lambda: "permissions violation for publish" in str(nc.last_error))


@pytest.mark.parametrize(
    "subject", ["_INBOX_kiosk-gateway.>", "_INBOX.>", ">", "closet.job.>", "closet.rpc.upload-signer.sign_get.v1"]
)
async def test_a_service_may_not_listen_to_what_is_for_others(subject: str, as_service: AsService) -> None:
    nc = await as_service(Service.BILLING_METER)
    await nc.subscribe(subject)
    await eventually(lambda: "permissions violation for subscription" in str(nc.last_error))


def test_passwords_come_from_the_servers_environment_unless_given() -> None:
    text = server_users()
    assert 'user: "billing-meter", password: $CLOSET_NATS_PASSWORD_BILLING_METER,' in text
    assert 'user: "operator", password: $CLOSET_NATS_PASSWORD_OPERATOR }' in text
