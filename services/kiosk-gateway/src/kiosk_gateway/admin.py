"""By hand: `python -m kiosk_gateway create-tenant NAME [--tenant-id ID] [--api-key KEY]`, and `openapi`."""

import argparse
import asyncio
import json
import re
import secrets
import sys
from collections.abc import Callable, Sequence
from typing import Any

from closet_chassis.postgres import create_pool, migrate
from closet_chassis.settings import ServiceSettings, explain
from closet_contracts.ids import TenantId
from pydantic import TypeAdapter, ValidationError

from kiosk_gateway.http.openapi import document
from kiosk_gateway.http.routes import ROUTES
from kiosk_gateway.store.tenants import put_api_key, put_tenant, tenant_of_key

_REFUSED = 1
_USAGE = 2
_PREFIX = 12
_SHORTEST_KEY = 24


class AdminSettings(ServiceSettings):
    """An operator needs the database only."""

    nats_url: str = ""


def main(arguments: Sequence[str]) -> int:
    """Run one verb and print what became of it.

    Returns:
        0 if it is done, now or before; 1 if the key is another tenant's; 2 if it was asked wrongly.
    """
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


def _openapi(_options: argparse.Namespace) -> int:
    import yaml  # noqa: PLC0415  only needed, and only installed, where documents are written

    plain = json.loads(json.dumps(document(ROUTES)))  # without shared parts, which YAML would point at
    sys.stdout.write(yaml.safe_dump(plain, sort_keys=False, width=120))
    return 0


def _create(options: argparse.Namespace) -> int:
    try:
        settings = AdminSettings.model_validate({})
    except ValidationError as error:
        sys.stderr.write(f"{explain(AdminSettings, error)}\n")
        return _USAGE
    answer = asyncio.run(_create_tenant(settings, options.name, options.tenant_id, options.api_key))
    sys.stdout.write(json.dumps(answer) + "\n")
    return _REFUSED if answer["outcome"] == "refused" else 0


async def _create_tenant(
    settings: ServiceSettings, name: str, tenant_id: str | None, api_key: str | None
) -> dict[str, Any]:
    tenant = tenant_id or f"{_slug(name)}-{secrets.token_hex(4)}"
    key = api_key or f"clk_{secrets.token_urlsafe(32)}"
    await migrate(settings.database_url, "closet_messaging", "kiosk_gateway", apply=settings.migrate)
    pool = await create_pool(settings.database_url, 1)
    async with pool, pool.acquire() as conn, conn.transaction():
        if await tenant_of_key(conn, key) not in {None, tenant}:
            return {"outcome": "refused", "reason": "this API key belongs to another tenant"}
        await put_tenant(conn, tenant, name)
        await put_api_key(conn, tenant, key, key[:_PREFIX])
    return {"outcome": "done", "tenantId": tenant, "name": name, "apiKey": key, "prefix": key[:_PREFIX]}


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "tenant"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kiosk_gateway", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    create = verbs.add_parser("create-tenant", help="a tenant with an API key, which is shown this once")
    create.add_argument("name", help="for people to read")
    create.add_argument("--tenant-id", type=_tenant, help="made from the name unless given")
    create.add_argument("--api-key", type=_api_key, help="made unless given; another one for a tenant that has one")
    create.set_defaults(run=_create)
    openapi = verbs.add_parser("openapi", help="the description of the client API, as YAML")
    openapi.set_defaults(run=_openapi)
    return parser


def _tenant(text: str) -> str:
    return TypeAdapter[str](TenantId).validate_python(text)


def _api_key(text: str) -> str:
    if len(text) < _SHORTEST_KEY or not text.isascii() or not text.isprintable() or " " in text:
        raise argparse.ArgumentTypeError(f"an API key has {_SHORTEST_KEY} visible characters or more")
    return text
