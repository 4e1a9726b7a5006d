"""`python -m closet_devstack.sandbox.perfect --port 8701`: serve until told to stop."""

import argparse
import asyncio
import os
import signal

import uvloop
from aiohttp import web

from closet_devstack.sandbox.perfect.app import make_app
from closet_devstack.sandbox.perfect.settings import Settings

_SECRETS = ("PERFECT_API_KEY", "PERFECT_WEBHOOK_SECRET")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m closet_devstack.sandbox.perfect",
        description="The picture vendor's sandbox.",
        epilog=f"Secrets come from the environment: {', '.join(_SECRETS)}.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--webhook-url", action="append", default=[], help="may be given up to ten times")
    parser.add_argument("--units", type=int, default=100_000, help="the account's balance")
    parser.add_argument("--latency-ms", type=int, default=1500, help="from a task's creation to its end")
    parser.add_argument("--quota-calls", type=int, default=250, help="calls in a window; 0: no quota")
    parser.add_argument("--quota-window-s", type=float, default=300)
    parser.add_argument("--fixed-result", action="store_true", help="one small picture for all, inputs not fetched")
    if missing := [name for name in _SECRETS if name not in os.environ]:
        parser.error(f"not in the environment: {', '.join(missing)}")
    return parser.parse_args()


def _settings(arguments: argparse.Namespace) -> Settings:
    return Settings(
        api_keys=[os.environ["PERFECT_API_KEY"]],
        webhook_secret=os.environ["PERFECT_WEBHOOK_SECRET"],
        webhook_urls=arguments.webhook_url,
        latency_ms=arguments.latency_ms,
        quota_calls=arguments.quota_calls,
        quota_window_s=arguments.quota_window_s,
        fixed_result=arguments.fixed_result,
    )


async def _serve(arguments: argparse.Namespace) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    app = make_app(_settings(arguments), arguments.units)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, arguments.host, arguments.port).start()
        await stopping.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(_serve(_arguments()))
