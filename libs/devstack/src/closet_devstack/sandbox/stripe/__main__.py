"""`python -m closet_devstack.sandbox.stripe --port 8702`: serve until told to stop."""

import argparse
import asyncio
import os
import signal

import uvloop
from aiohttp import web

from closet_devstack.sandbox.stripe.app import make_app
from closet_devstack.sandbox.stripe.settings import Settings

_SECRETS = ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m closet_devstack.sandbox.stripe",
        description="Stripe's sandbox.",
        epilog=f"Secrets come from the environment: {', '.join(_SECRETS)}.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--webhook-url", default="", help="the account's endpoint")
    arguments = parser.parse_args()
    if missing := [name for name in _SECRETS if name not in os.environ]:
        parser.error(f"not in the environment: {', '.join(missing)}")
    return arguments


async def _serve(arguments: argparse.Namespace) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    key, secret = (os.environ[name] for name in _SECRETS)
    app = make_app(Settings(api_key=key, webhook_secret=secret, webhook_url=arguments.webhook_url))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, arguments.host, arguments.port).start()
        await stopping.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(_serve(_arguments()))
