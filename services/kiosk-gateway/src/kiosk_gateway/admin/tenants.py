"""`create-tenant` and `list-keys`."""

import argparse
import re
import secrets
import sys
from dataclasses import asdict
from pathlib import Path

from closet_contracts.ids import TenantId
from closet_messaging.transaction import Connection
from pydantic import TypeAdapter

from kiosk_gateway.admin.database import Answer, Verbs, done, in_database, refused
from kiosk_gateway.store.tenants import find_key, list_keys, put_api_key, put_tenant

_PREFIX = 12
_SHORTEST_KEY = 24


def add_verbs(verbs: Verbs) -> None:
    """Add the verbs about tenants and their keys."""
    create = verbs.add_parser("create-tenant", help="a tenant with an API key, which is shown this once")
    create.add_argument("name", help="for people to read")
    create.add_argument("--tenant-id", type=_tenant, help="made from the name unless given")
    create.add_argument(
        "--api-key-file",
        dest="api_key",
        type=_api_key,
        metavar="FILE",
        help="holds the key (- for standard input); made unless given; another one for a tenant that has one",
    )
    create.set_defaults(run=in_database(_create))
    keys = verbs.add_parser("list-keys", help="a tenant's keys by their ids, none of them shown")
    keys.add_argument("tenant", type=_tenant)
    keys.set_defaults(run=in_database(_list))


async def _create(conn: Connection, options: argparse.Namespace) -> Answer:
    tenant = options.tenant_id or f"{_slug(options.name)}-{secrets.token_hex(4)}"
    key = options.api_key or f"clk_{secrets.token_urlsafe(32)}"
    known = await find_key(conn, key)
    if known is not None and known.tenant != tenant:
        return refused("this API key belongs to another tenant")
    await put_tenant(conn, tenant, options.name)
    await put_api_key(conn, tenant, key, key[:_PREFIX])
    found = await find_key(conn, key)
    if found is None or not found.good:
        return refused("this API key, or its tenant, is revoked")
    return done(tenantId=tenant, name=options.name, apiKey=key, prefix=found.prefix, keyId=found.key_id)


async def _list(conn: Connection, options: argparse.Namespace) -> Answer:
    return done(keys=[asdict(key) for key in await list_keys(conn, options.tenant)])


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "tenant"


def _tenant(text: str) -> str:
    return TypeAdapter[str](TenantId).validate_python(text)


def _api_key(file: str) -> str:
    """An argument is seen by everybody on the machine, so a key comes by a file."""
    try:
        text = (sys.stdin.read() if file == "-" else Path(file).read_text()).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"the file cannot be read ({type(error).__name__})") from error
    if len(text) < _SHORTEST_KEY or not text.isascii() or not text.isprintable() or " " in text:
        raise argparse.ArgumentTypeError(f"an API key has {_SHORTEST_KEY} visible characters or more")
    return text
