"""`python -m <service> recover`: the command that brings a restored database up to the bus."""

import asyncio
import json
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TypeVar

from closet_chassis.postgres import close_pool, create_pool, prepare
from closet_chassis.settings import ServiceSettings, explain
from closet_messaging.connection import BusUnavailable, operator_connection
from pydantic import ValidationError

from closet_recovery.recovery import CannotRecover, Plan, Report, recover

S = TypeVar("S", bound=ServiceSettings)

UNFINISHED = 1
USAGE = 2
_VARIABLE = "CLOSET_OPERATOR_NATS_URL"


def parser(program: str) -> ArgumentParser:
    """The options that every service's `recover` has."""
    found = ArgumentParser(prog=f"{program} recover", description=__doc__)
    found.add_argument("--since", type=_moment, required=True, help="time of the backup, ISO 8601 with offset")
    found.add_argument("--nats-url", default=os.environ.get(_VARIABLE), help=f"as operator; default: ${_VARIABLE}")
    found.add_argument("--leave-failed", action="store_true", help="finish although some events could not be taken")
    return found


def run(settings: type[S], package: str, plan_of: Callable[[S], Plan], options: Namespace) -> int:
    """Recover, and print as JSON what was done.

    Returns:
        0 when finished; 1 if events could not be taken, and the service will not start yet; 2 if it was asked wrongly.
    """
    try:
        values = settings.model_validate({})
    except ValidationError as error:
        return _refuse(explain(settings, error))
    if not options.nats_url:
        return _refuse(f"--nats-url or ${_VARIABLE} is needed: the bus as operator")
    try:
        report = asyncio.run(_run(values, package, plan_of(values), options))
    except (CannotRecover, BusUnavailable) as error:
        return _refuse(str(error))
    sys.stdout.write(json.dumps(asdict(report)) + "\n")
    return UNFINISHED if report.failed and not options.leave_failed else 0


async def _run(settings: ServiceSettings, package: str, plan: Plan, options: Namespace) -> Report:
    await prepare(settings, "closet_messaging", package)
    pool = await create_pool(settings.database_url, 1)
    try:
        async with operator_connection(options.nats_url) as nc:
            return await recover(nc.jetstream(), pool, plan, options.since, leave_failed=options.leave_failed)
    finally:
        await close_pool(pool)


def _refuse(reason: str) -> int:
    sys.stderr.write(f"{reason}\n")
    return USAGE


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ArgumentTypeError("say which offset from UTC, such as 2026-05-01T12:00:00+00:00")
    return moment


__all__: Sequence[str] = ("parser", "run")
