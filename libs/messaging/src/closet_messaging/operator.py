"""An operator's short visit to the bus: impatient where a service waits, and with errors that need no NATS to catch."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from closet_contracts.catalog import OPERATOR
from nats.aio.client import Client
from nats.errors import Error

from closet_messaging.connection import connect, drain

Connection = Client  # for the annotations of those who do not import NATS
PATIENCE_S = 5.0


class BusUnavailable(Exception):
    """The bus did not let the operator in, or went away during the visit."""


@asynccontextmanager
async def visit(url: str) -> AsyncIterator[Connection]:
    """A connection as operator for as long as the block runs.

    Raises:
        BusUnavailable: no connection within a few seconds, or the bus failed inside the block.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            nc = await connect(url, OPERATOR)
    except (Error, OSError) as error:
        raise BusUnavailable("the bus does not answer, or not to this user") from error
    try:
        yield nc
    except Error as error:
        raise BusUnavailable(f"the bus failed ({type(error).__name__})") from error
    finally:
        await drain(nc)
