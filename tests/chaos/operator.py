"""A running stack as its operator sees it: databases, streams, dead letters, logs."""

import asyncio
import json
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from closet_chassis.postgres import close_pool, create_pool
from closet_contracts.catalog import OPERATOR, STREAMS, Stream
from closet_contracts.ownership import Service
from closet_devstack.environment import inherited
from closet_devstack.process import run
from closet_devstack.stack import Stack
from closet_messaging.connection import connect, drain
from closet_messaging.dead_letters import StoredDeadLetter, list_dead_letters
from closet_messaging.streams import REPLAY, subscriptions
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from tests.chaos import snapshot
from tests.chaos.in_process import Pools
from tests.chaos.snapshot import Snapshot

LOGS = Path(__file__).parents[2] / "build" / "chaos"
_AT_ONCE = 500
_SHOWN = 40


@dataclass(frozen=True)
class Operator:
    """With the rights to look everywhere."""

    stack: Stack
    pools: Pools
    nc: Client

    @property
    def js(self) -> JetStreamContext:
        return self.nc.jetstream()

    async def at_rest(self) -> Snapshot:
        """The books, once nothing is on its way any more: for `eventually`.

        Read twice, for no read is of one moment: what ended during it would have its state there and its event not.
        """
        found = await snapshot.read(self.pools)
        left = [*self.stack.ended(), *snapshot.unfinished(found)[:_SHOWN], *await self.backlog()]
        assert not left, "\n".join(left)
        again = await snapshot.read(self.pools)
        assert again == found, "something came to its end while the books were read"
        return again

    async def backlog(self) -> list[str]:
        """Consumers that have something left to handle."""
        left = []
        for service in Service:
            for one in subscriptions(service):
                info = await self.js.consumer_info(one.stream.name, service)
                if info.num_pending or info.num_ack_pending:
                    left.append(
                        f"{one.stream.name}/{service}: {info.num_pending}, {info.num_ack_pending} in hand,"
                        f" {info.num_waiting} requests for more"
                    )
        return left

    async def stored(self) -> Counter[str]:
        """How often the streams hold each event, by its id."""
        messages = [message for stream in STREAMS for message in await self.messages(stream)]
        return Counter(json.loads(message.data)["id"] for message in messages)

    async def messages(self, stream: Stream) -> list[Msg]:
        """Everything in a stream, oldest first."""
        count = (await self.js.stream_info(stream.name)).state.messages
        config = ConsumerConfig(ack_policy=AckPolicy.NONE, deliver_policy=DeliverPolicy.ALL)
        reader = await self.js.pull_subscribe(stream.subjects, stream=stream.name, config=config)
        found: list[Msg] = []
        while len(found) < count:
            found += await reader.fetch(min(count - len(found), _AT_ONCE), timeout=10)
        await reader.unsubscribe()
        return found

    async def letters(self) -> list[StoredDeadLetter]:
        """All dead letters."""
        return [letter async for letter in list_dead_letters(self.js)]

    async def replayed_to(self) -> dict[str, int]:
        """How many dead letters were delivered again, to whom."""
        delivered = {service: await self.js.consumer_info(REPLAY.name, service) for service in Service}
        return {
            service: info.delivered.consumer_seq for service, info in delivered.items() if info.delivered.consumer_seq
        }

    async def publish(self, subject: str, payload: bytes) -> None:
        """As nobody but an operator may: whatever it is, under a message id of its own."""
        await self.js.publish(subject, payload, headers={"Nats-Msg-Id": uuid4().hex})

    async def ops(self, *arguments: str) -> str:
        """Run `closet-ops`; return what it printed."""
        env = {**inherited(), "CLOSET_NATS_URL": self.stack.nats.url(OPERATOR)}
        return await asyncio.to_thread(run, [sys.executable, "-m", "closet_operator", *arguments], env=env)

    async def everything(self) -> dict[str, list[str]]:
        """Every row of every table of every service, as text."""
        return {
            f"{service}.{table}": [row[0] for row in await pool.fetch(f"SELECT t::text FROM {table} AS t ORDER BY 1")]  # noqa: S608 a name from the catalogue
            for service, pool in self.pools.items()
            for (table,) in await pool.fetch("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'")
        }


@asynccontextmanager
async def operator_of(stack: Stack) -> AsyncIterator[Operator]:
    """An operator of that stack, whose services have been started."""
    async with AsyncExitStack() as exits:
        pools = {}
        for service in Service:
            pools[service] = await create_pool(stack.env_for(service)["CLOSET_DATABASE_URL"], 2)
            exits.push_async_callback(close_pool, pools[service])
        nc = await connect(stack.nats.url(), OPERATOR)
        exits.push_async_callback(drain, nc)
        yield Operator(stack, pools, nc)


@contextmanager
def logs_kept(stack: Stack, name: str) -> Iterator[None]:
    """If the block fails: keep the logs, whose folder goes with the stack, and say where; show the last errors."""
    try:
        yield
    except BaseException:
        kept = LOGS / name
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for log in sorted(stack.folder.glob("**/*.log")):
            shutil.copy(log, kept)
        print(f"logs: {kept}", *_last_errors(kept), sep="\n")  # noqa: T201 pytest shows it with the failure
        raise


def _last_errors(folder: Path) -> list[str]:
    return [
        f"{log.stem}: {line[:500]}"
        for log in sorted(folder.glob("*.log"))
        for line in [line for line in log.read_text(errors="replace").splitlines() if _is_error(line)][-5:]
    ]


def _is_error(line: str) -> bool:
    return any(word in line for word in ('"level": "error"', '"level": "critical"', "Traceback", "PANIC"))
