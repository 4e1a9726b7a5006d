"""The operator's command line: `python -m billing_meter grant --tenant T --credits N --receipt R`."""

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from closet_chassis.postgres import Pool, open_pool
from closet_chassis.settings import explain
from closet_contracts.ownership import Service
from closet_messaging.connection import connect, drain
from closet_messaging.relay import Relay
from closet_messaging.transaction import transaction
from pydantic import ValidationError

from billing_meter.admin.ledger import LEDGER_VERBS
from billing_meter.admin.stripe import STRIPE_VERBS
from billing_meter.admin.verb import Answer, Verb, is_done
from billing_meter.settings import Settings

_REFUSED = 1
_USAGE = 2
_FLUSH_S = 5.0
VERBS: Mapping[str, Verb] = {**LEDGER_VERBS, **STRIPE_VERBS}


def main(arguments: Sequence[str]) -> int:
    """Run one verb and print its answer as JSON.

    Returns:
        0 if it is done, now or before; 1 if it is refused; 2 if the arguments or the settings are wrong.
    """
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.model_validate({})
    except ValidationError as error:
        sys.stderr.write(f"{explain(Settings, error)}\n")
        return _USAGE
    answer = asyncio.run(_do(settings, options))
    sys.stdout.write(json.dumps(answer.as_json()) + "\n")
    return 0 if is_done(answer.outcome) else _REFUSED


async def _do(settings: Settings, options: Namespace) -> Answer:
    async with open_pool(settings) as pool, _relay(settings, pool) as relay:
        async with transaction(pool, relay) as tx:
            verb: Verb = options.verb
            answer = await verb.run(tx, options)
        await relay.flush(_FLUSH_S)
    return answer


@asynccontextmanager
async def _relay(settings: Settings, pool: Pool) -> AsyncIterator[Relay]:
    """Publishes the new balance at once. What the bus does not take now, the service's sweeper finds in the outbox."""
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
        one.set_defaults(verb=verb)
    return parser
