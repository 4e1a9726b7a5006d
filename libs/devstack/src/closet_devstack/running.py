"""`make run`: the whole stack, kept up for development until it is told to stop."""

import asyncio
import json
import secrets
import shlex
from pathlib import Path

from rich.console import Console
from rich.table import Table

from closet_devstack import samples
from closet_devstack.stack import Stack, StackOptions
from closet_devstack.tenants import Tenant, make_tenant

CREDITS = 1000
PORT = 8080
TENANT = "demo"


async def keep_running(folder: Path) -> None:
    """Run until cancelled. What is in `folder` is found again by the next start."""
    console = Console(highlight=False)
    async with Stack(StackOptions(folder=folder, gateway_port=PORT, stripe=True)) as stack:
        await stack.start_services()
        tenant = await make_tenant(stack, TENANT, CREDITS, api_key=_api_key(folder / "demo-tenant.json"))
        environment = write_environment(stack, tenant, folder)
        _tell(console, stack, folder, environment)
        try:
            await asyncio.Event().wait()
        finally:
            console.print("\nstopping")


def _api_key(file: Path) -> str:
    """The demo tenant's key; made once, so that what was written down stays right."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(json.dumps({"apiKey": f"clk_{secrets.token_urlsafe(32)}"}))
    return str(json.loads(file.read_text())["apiKey"])


def write_environment(stack: Stack, tenant: Tenant, folder: Path) -> Path:
    """A file for `source`: the settings of the `closet` command, for this stack, the demo tenant and a shopper."""
    settings = {
        "CLOSET_URL": stack.url("kiosk-gateway"),
        "CLOSET_API_KEY": tenant.api_key,
        "CLOSET_USER": "shopper-1",
        "CLOSET_NATS_URL": stack.nats.url(),  # the operator's: for closet-ops
    }
    file = folder / "closet.env"
    file.touch(mode=0o600)
    file.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()))
    return file


def _tell(console: Console, stack: Stack, folder: Path, environment: Path) -> None:
    gateway = stack.url("kiosk-gateway")
    person, garment = samples.write_samples(folder)
    table = Table.grid(padding=(0, 2))
    for name, value in (
        ("client API", f"{gateway}/api"),
        ("its description", f"{gateway}/docs"),
        ("its metrics", f"{stack.admin_url('kiosk-gateway')}/metrics"),
        ("vendor sandbox", f"{stack.perfect.url}/_sandbox/stats"),
        ("Stripe sandbox", stack.stripe.url if stack.stripe else ""),
        ("S3", stack.s3.endpoint),
        ("logs", str(folder / "services")),
    ):
        table.add_row(name, value)
    console.print(table)
    console.print(
        f"\n{environment.read_text()}# or: source {environment}"
        f"\n.venv/bin/closet tryon {person} {garment} --category dress --consent -o result\n\nCtrl-C stops everything.",
        soft_wrap=True,
    )
