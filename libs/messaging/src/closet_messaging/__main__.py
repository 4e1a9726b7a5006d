"""`python -m closet_messaging`: operate the bus."""

import argparse
import asyncio
import os
import sys
from datetime import datetime

from closet_chassis.postgres import close_pool, create_pool
from closet_contracts.catalog import OPERATOR

from closet_messaging.connection import connect, drain
from closet_messaging.permissions import server_users
from closet_messaging.streams import Drift, provision
from closet_messaging.sweeper import read_overdue, replay_outbox

CONNECT_S = 60.0


def main() -> int:
    """Run a command; return 1 if the bus cannot be made as declared, 2 if an argument is missing or wrong."""
    arguments = _parser().parse_args()
    if arguments.command == "permissions":
        sys.stdout.write(server_users())
        return 0
    if not arguments.url:
        sys.stderr.write(f"{arguments.command} needs --url, or the environment variable that stands for it\n")
        return 2
    if arguments.command == "provision":
        return asyncio.run(_provision(arguments.url, arguments.replicas))
    if arguments.command == "outbox":
        return asyncio.run(_outbox(arguments.url))
    return asyncio.run(_replay(arguments.url, arguments.since))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="closet_messaging", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("permissions", help="print the NATS server's users; passwords come from its environment")
    making = commands.add_parser("provision", help="create or update streams and consumers (as operator)")
    making.add_argument("--url", default=os.environ.get("CLOSET_NATS_URL"), help="default: $CLOSET_NATS_URL")
    making.add_argument("--replicas", type=int, default=1, help="copies of each stream in a cluster")
    waiting = commands.add_parser("outbox", help="show the overdue events of one service")
    waiting.add_argument("--url", default=os.environ.get("CLOSET_DATABASE_URL"), help="default: $CLOSET_DATABASE_URL")
    again = commands.add_parser("replay-outbox", help="publish a service's events again, after the bus lost data")
    again.add_argument("--url", default=os.environ.get("CLOSET_DATABASE_URL"), help="default: $CLOSET_DATABASE_URL")
    again.add_argument("--since", type=_moment, required=True, help="ISO 8601 with offset, at most a day ago")
    return parser


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("say which offset from UTC, such as 2026-05-01T12:00:00+00:00")
    return moment


async def _provision(url: str, replicas: int) -> int:
    async with asyncio.timeout(CONNECT_S):
        nc = await connect(url, OPERATOR)
    try:
        for line in await provision(nc.jetstream(), replicas):
            sys.stdout.write(f"{line}\n")
    except Drift as drift:
        sys.stderr.write("refused:\n" + "".join(f"  {line}\n" for line in drift.differences))
        return 1
    finally:
        await drain(nc)
    return 0


async def _outbox(url: str) -> int:
    pool = await create_pool(url, 1)
    try:
        overdue = await read_overdue(pool)
    finally:
        await close_pool(pool)
    for noun, waiting in sorted(overdue.items()):
        sys.stdout.write(
            f"closet.{noun}.>: {waiting.count} events are overdue, the oldest has waited {waiting.oldest_s:.0f} s\n"
        )
    if not overdue:
        sys.stdout.write("nothing is overdue\n")
    return 0


async def _replay(url: str, since: datetime) -> int:
    pool = await create_pool(url, 1)
    try:
        sys.stdout.write(f"{await replay_outbox(pool, since)} events will be published again\n")
    finally:
        await close_pool(pool)
    return 0


if __name__ == "__main__":
    sys.exit(main())
