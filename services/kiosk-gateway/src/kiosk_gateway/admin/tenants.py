"""Create tenants and list their keys: `create-tenant`, `list-keys`."""

import argparse
import re
import secrets
import sys
from dataclasses import asdict
from pathlib import Path

from closet_contracts.ids import TenantId
from closet_messaging.transaction import Connection
from pydantic import TypeAdapter

from kiosk_gateway.admin.database import Result, Verbs, done, in_database, refused
from kiosk_gateway.store.tenants import find_key, list_keys, put_api_key, put_tenant

_PREFIX = 12
_SHORTEST_KEY = 24


def add_verbs(verbs: Verbs) -> None:
    """Add the verbs about tenants and their keys."""
    create = verbs.add_parser("create-tenant", help="create a tenant with an API key, which is shown only once")
    create.add_argument("name", help="the display name")
    create.add_argument("--tenant-id", type=_tenant, help="default: derived from the name")
    create.add_argument(
        "--api-key-file",
        dest="api_key",
        type=_api_key,
        metavar="FILE",
        help="read the key from this file (- for standard input); default: a new key. Adds a key to an existing tenant",
    )
    create.set_defaults(run=in_database(_create))
    keys = verbs.add_parser("list-keys", help="list the ids of a tenant's keys, without the keys")
    keys.add_argument("tenant", type=_tenant)
    keys.set_defaults(run=in_database(_list))


async def _create(conn: Connection, options: argparse.Namespace) -> Result:
    tenant = options.tenant_id or f"{_slug(options.name)}-{secrets.token_hex(4)}"
    key = options.api_key or f"clk_{secrets.token_urlsafe(32)}"
    known = await find_key(conn, key)
    if known is not None and known.tenant != tenant:
        return refused("this API key belongs to another tenant")
    await put_tenant(conn, tenant, options.name)
    await put_api_key(conn, tenant, key, key[:_PREFIX])
    found = await find_key(conn, key)
    if found is None or not found.is_valid:
        return refused("this API key, or its tenant, is revoked")
    return done(tenantId=tenant, name=options.name, apiKey=key, prefix=found.prefix, keyId=found.key_id)


async def _list(conn: Connection, options: argparse.Namespace) -> Result:
    return done(keys=[asdict(key) for key in await list_keys(conn, options.tenant)])


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "tenant"


def _tenant(text: str) -> str:
    return TypeAdapter[str](TenantId).validate_python(text)


def _api_key(file: str) -> str:
    """Read a key from a file: everybody on the machine can see arguments."""
    try:
        text = (sys.stdin.read() if file == "-" else Path(file).read_text()).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"the file cannot be read ({type(error).__name__})") from error
    if len(text) < _SHORTEST_KEY or not text.isascii() or not text.isprintable() or " " in text:
        raise argparse.ArgumentTypeError(f"an API key consists of at least {_SHORTEST_KEY} visible ASCII characters")
    return text
