"""The vendor's first API gives tokens that stand for a key."""

import base64
import time

import pytest
from closet_devstack.sandbox.perfect.remote import Remote
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from .customer import CREDIT, World

AUTH = "/s2s/v1.0/client/auth"


@pytest.fixture
async def public_key(world: World, sandbox: Remote) -> rsa.RSAPublicKey:
    """That of a vendor who knows one client."""
    await sandbox.change(clients={"shop": world.server.api_key})
    pem = (await world.get(f"{world.server.url}/_sandbox/public-key")).body
    key = load_pem_public_key(pem)
    assert isinstance(key, rsa.RSAPublicKey)
    return key


def id_token(public_key: rsa.RSAPublicKey, client_id: str = "shop", ago_s: float = 0) -> str:
    said = f"client_id={client_id}&timestamp={int((time.time() - ago_s) * 1000)}"
    return base64.b64encode(public_key.encrypt(said.encode(), padding.PKCS1v15())).decode()


async def test_a_token_stands_for_the_key_for_two_hours(
    world: World, sandbox: Remote, public_key: rsa.RSAPublicKey
) -> None:
    body = {"client_id": "shop", "id_token": id_token(public_key)}
    token = (await world.ask("POST", AUTH, body, key="none"))[1]["result"]["access_token"]
    assert (await world.ask("GET", CREDIT, key=token))[0] == 200
    await sandbox.advance(2 * 3600)
    status, answer = await world.ask("GET", CREDIT, key=token)
    assert (status, answer["error_code"]) == (401, "InvalidAccessToken")


@pytest.mark.parametrize(
    ("client_id", "said_id", "ago_s"), [("shop", "other", 0), ("other", "other", 0), ("shop", "shop", 3600)]
)
async def test_who_cannot_prove_it_gets_none(
    world: World, public_key: rsa.RSAPublicKey, client_id: str, said_id: str, ago_s: float
) -> None:
    body = {"client_id": client_id, "id_token": id_token(public_key, said_id, ago_s)}
    status, answer = await world.ask("POST", AUTH, body)
    assert (status, answer["error_code"]) == (401, "InvalidAccessToken")


@pytest.mark.parametrize("token", ["!", "AAAA"])
async def test_what_is_not_encrypted_for_it_proves_nothing(
    world: World, public_key: rsa.RSAPublicKey, token: str
) -> None:
    assert public_key.key_size == 2048
    status, answer = await world.ask("POST", AUTH, {"client_id": "shop", "id_token": token})
    assert (status, answer["error_code"]) == (401, "InvalidAccessToken")


async def test_both_must_be_named(world: World) -> None:
    status, answer = await world.ask("POST", AUTH, {"client_id": "shop"})
    assert (status, answer["error_code"]) == (400, "InvalidParameters")
