"""What an operator does by hand: `python -m billing_meter grant --tenant T --credits N --receipt R`."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from closet_chassis.postgres import Pool, open_pool
from closet_chassis.settings import explain
from closet_contracts.ids import TenantId
from closet_contracts.nouns import Service
from closet_messaging.connection import connect, drain
from closet_messaging.relay import Relay
from closet_messaging.unit import transaction
from pydantic import TypeAdapter, ValidationError

from billing_meter.domain import Grant, account_of
from billing_meter.handlers import grant_credits
from billing_meter.settings import Settings

_REFUSED = 1
_USAGE = 2
_FLUSH_S = 5.0


def main(arguments: Sequence[str]) -> int:
    """Run one verb and print what became of it as JSON.

    Returns:
        0 if it is done, now or before; 1 if the books refuse it; 2 if it was asked wrongly.
    """
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.model_validate({})
    except ValidationError as error:
        sys.stderr.write(f"{explain(Settings, error)}\n")
        return _USAGE
    answer = asyncio.run(_grant(settings, options))
    sys.stdout.write(json.dumps(answer) + "\n")
    return _REFUSED if answer["outcome"] == "refused" else 0


async def _grant(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    grant = Grant(options.tenant, options.credits, options.receipt, options.actor, options.reason)
    async with open_pool(settings) as pool, _relay(settings, pool) as relay:
        async with transaction(pool, relay) as tx:
            moved = await grant_credits(tx, grant)
        await relay.flush(_FLUSH_S)
    return {
        "outcome": moved.outcome,
        "account": account_of(options.tenant),
        "receipt": options.receipt,
        "credits": moved.credits,
        "balance": moved.balance,
        "held": moved.held,
        "available": moved.available,
    }


@asynccontextmanager
async def _relay(settings: Settings, pool: Pool) -> AsyncIterator[Relay]:
    """Tells the new balance at once. What the bus does not take now, the service's sweeper finds in the outbox."""
    client = await connect(settings.nats_url, Service.BILLING_METER)
    relay = Relay(pool, client)
    running = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await drain(client)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="billing_meter", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    grant = verbs.add_parser("grant", help="give a tenant credits, once per receipt")
    grant.add_argument("--tenant", required=True, type=_tenant)
    grant.add_argument("--credits", required=True, type=_positive)
    grant.add_argument("--receipt", required=True, help="its number: the same receipt is never booked twice")
    grant.add_argument("--actor", default="operator", help="who does it")
    grant.add_argument("--reason", help="why, in words")
    return parser


def _tenant(text: str) -> str:
    return TypeAdapter[str](TenantId).validate_python(text)


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise ValueError("one credit or more")
    return number
