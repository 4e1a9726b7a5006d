"""Run a verb in the service's database."""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from closet_chassis.postgres import create_pool, prepare
from closet_chassis.settings import ServiceSettings, explain
from closet_messaging.transaction import Connection
from pydantic import ValidationError

_REFUSED = 1
_USAGE = 2

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  it has no public name
Result = dict[str, Any]
Act = Callable[[Connection, argparse.Namespace], Awaitable[Result]]


class AdminSettings(ServiceSettings):
    """A verb needs only the database."""

    nats_url: str = ""


def in_database(act: Act) -> Callable[[argparse.Namespace], int]:
    """Return a command that runs `act` in one transaction and prints its result as JSON."""

    def run(options: argparse.Namespace) -> int:
        try:
            settings = AdminSettings.model_validate({})
        except ValidationError as error:
            sys.stderr.write(f"{explain(AdminSettings, error)}\n")
            return _USAGE
        result = asyncio.run(_act(settings, act, options))
        sys.stdout.write(json.dumps(result, default=str) + "\n")
        return _REFUSED if result["outcome"] == "refused" else 0

    return run


def done(**what: object) -> Result:
    """Return the result of a verb that is done, now or before."""
    return {"outcome": "done", **what}


def refused(reason: str) -> Result:
    """Return the result of a verb that is refused."""
    return {"outcome": "refused", "reason": reason}


async def _act(settings: ServiceSettings, act: Act, options: argparse.Namespace) -> Result:
    await prepare(settings, "closet_messaging", "kiosk_gateway")
    pool = await create_pool(settings.database_url, 1)
    async with pool, pool.acquire() as conn, conn.transaction():
        return await act(conn, options)
