"""Revoke access: `revoke-key`, `revoke-tenant`, `restore-tenant`, `revoke-session`, `revoke-user`."""

import argparse
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from closet_messaging.transaction import Connection

from kiosk_gateway.admin.database import Act, Result, Verbs, done, in_database, refused
from kiosk_gateway.store import revocations


def add_verbs(verbs: Verbs) -> None:
    """Add the verbs. Each takes effect on every replica within seconds, also for tokens issued before."""
    key = verbs.add_parser("revoke-key", help="revoke an API key and every session that it started")
    key.add_argument("id", metavar="KEY_ID", help="the id that create-tenant and list-keys print")
    key.set_defaults(run=in_database(_by_id("key", revocations.revoke_key)))
    tenant = verbs.add_parser("revoke-tenant", help="revoke all keys and sessions of a tenant until it is restored")
    tenant.add_argument("id", metavar="TENANT_ID")
    tenant.set_defaults(run=in_database(_by_id("tenant", revocations.revoke_tenant)))
    restore = verbs.add_parser("restore-tenant", help="make a revoked tenant's keys and sessions valid again")
    restore.add_argument("id", metavar="TENANT_ID")
    restore.set_defaults(run=in_database(_by_id("tenant", revocations.restore_tenant)))
    session = verbs.add_parser("revoke-session", help="end one session")
    session.add_argument("id", metavar="SESSION_ID", type=UUID, help="the sid claim of its access tokens")
    session.set_defaults(run=in_database(_by_id("session", revocations.revoke_session)))
    user = verbs.add_parser("revoke-user", help="end all sessions of a tenant's user")
    user.add_argument("tenant")
    user.add_argument("user")
    user.set_defaults(run=in_database(_user))


def _by_id(what: str, change: Callable[[Connection, Any], Awaitable[bool]]) -> Act:
    async def act(conn: Connection, options: argparse.Namespace) -> Result:
        found = await change(conn, options.id)
        return done(**{what: str(options.id)}) if found else refused(f"there is no such {what}")

    return act


async def _user(conn: Connection, options: argparse.Namespace) -> Result:
    return done(sessions=await revocations.revoke_user(conn, options.tenant, options.user))
