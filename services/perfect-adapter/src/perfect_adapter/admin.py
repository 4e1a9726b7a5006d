"""The operator's verbs: `python -m perfect_adapter keys [drain|enable KEY]`, `... calls RENDER`."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from closet_chassis.postgres import Pool, open_pool
from closet_chassis.settings import explain
from pydantic import ValidationError

from perfect_adapter.quota import api_keys, call_log
from perfect_adapter.quota.api_keys import KeyState
from perfect_adapter.settings import Settings

_UNKNOWN = 1
_USAGE = 2
_STATES = {"drain": KeyState.DRAINING, "enable": KeyState.ACTIVE}


def main(arguments: Sequence[str]) -> int:
    """Run one verb and print its answer as JSON.

    Returns:
        0 if done; 1 if there is no such key or render; 2 for invalid settings or arguments.
    """
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.model_validate({})
    except ValidationError as error:
        sys.stderr.write(f"{explain(Settings, error)}\n")
        return _USAGE
    answer = asyncio.run(_run(settings, options))
    sys.stdout.write(json.dumps(answer, default=_text) + "\n")
    return 0 if answer is not None else _UNKNOWN


async def _run(settings: Settings, options: argparse.Namespace) -> list[dict[str, Any]] | None:
    async with open_pool(settings) as pool:
        return await (_calls(pool, options.render) if options.verb == "calls" else _keys(pool, options))


async def _keys(pool: Pool, options: argparse.Namespace) -> list[dict[str, Any]] | None:
    async with pool.acquire() as conn:
        if options.change and not await api_keys.set_state(conn, options.key, _STATES[options.change], "operator"):
            return None
        return [dict(row) for row in await api_keys.list_keys(conn)]


async def _calls(pool: Pool, render_id: str) -> list[dict[str, Any]] | None:
    async with pool.acquire() as conn:
        return [dict(row) for row in await call_log.list_calls(conn, render_id)] or None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m perfect_adapter")
    verbs = parser.add_subparsers(dest="verb", required=True)
    of_keys = verbs.add_parser("keys", help="list the API keys; drain one, or enable it again")
    changes = of_keys.add_subparsers(dest="change")
    for change in _STATES:
        changes.add_parser(change).add_argument("key", help="the key's name, such as key-0123456789ab")
    verbs.add_parser("calls", help="list every call that was made for a render").add_argument("render")
    return parser


def _text(value: object) -> str:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)
