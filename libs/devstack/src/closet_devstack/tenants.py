"""A tenant with an API key and credits, made the way an operator makes one."""

import json
from dataclasses import dataclass
from pathlib import Path

from closet_devstack.stack import Stack


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant and the key of its server."""

    tenant_id: str
    api_key: str

    @property
    def account(self) -> str:
        """Its account on the ledger."""
        return f"tenant:{self.tenant_id}"


async def make_tenant(stack: Stack, tenant_id: str, credits: int, *, api_key: str | None = None) -> Tenant:
    """Make a tenant with `credits`, or find it as it was made before: neither key nor credits are given twice."""
    key = ("--api-key-file", str(_key_file(stack.folder / f"{tenant_id}.api-key", api_key))) if api_key else ()
    made = await stack.command("kiosk-gateway", "create-tenant", tenant_id, "--tenant-id", tenant_id, *key)
    await stack.command(
        "billing-meter", "grant", "--tenant", tenant_id, "--credits", str(credits), "--receipt", f"first-{tenant_id}"
    )
    return Tenant(tenant_id, json.loads(made)["apiKey"])


def _key_file(file: Path, api_key: str) -> Path:
    """A key by a file: an argument is seen by everybody on the machine."""
    file.touch(mode=0o600)
    file.write_text(api_key)
    return file
