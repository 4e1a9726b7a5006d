"""What an operator does by hand: `python -m billing_meter grant --tenant T --credits N --receipt R`."""

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from closet_chassis.postgres import Pool, open_pool
from closet_chassis.settings import explain
from closet_contracts.ownership import Service
from closet_messaging.connection import connect, drain
from closet_messaging.relay import Relay
from closet_messaging.transaction import transaction
from pydantic import ValidationError

from billing_meter.admin.verbs import VERBS
from billing_meter.settings import Settings

_REFUSED = 1
_USAGE = 2
_FLUSH_S = 5.0
_GOOD = frozenset(
    {"granted", "refunded", "adjusted", "promised", "held", "settled", "known", "added", "set", "rebuilt", "queued"}
)


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
    answer = asyncio.run(_do(settings, options))
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0 if answer["outcome"] in _GOOD else _REFUSED


async def _do(settings: Settings, options: Namespace) -> dict[str, Any]:
    async with open_pool(settings) as pool, _relay(settings, pool) as relay:
        async with transaction(pool, relay) as tx:
            answer = await options.run(tx, options)
        await relay.flush(_FLUSH_S)
    return dict(answer)


@asynccontextmanager
async def _relay(settings: Settings, pool: Pool) -> AsyncIterator[Relay]:
    """Tells the new balance at once. What the bus does not take now, the service's sweeper finds in the outbox."""
    client = await connect(settings.nats_url, Service.BILLING_METER)
    relay = Relay(pool, client, Service.BILLING_METER)
    running = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await drain(client)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="billing_meter", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    for name, verb in VERBS.items():
        one = verbs.add_parser(name, help=verb.help)
        for option in verb.options:
            option.add_to(one)
        one.set_defaults(run=verb.run)
    return parser
