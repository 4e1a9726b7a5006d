"""Tenants made ahead, many by one process: a test would wait seconds for the two that each takes otherwise."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from uuid import uuid4

from closet_contracts.ownership import Service
from closet_devstack.stack import Stack
from closet_devstack.tenants import Tenant

CREDITS = 100
_AT_ONCE = 16
_VERBS = """
import json, sys
from importlib import import_module

verb = import_module(sys.argv[1] + ".admin").main
sys.exit(any([verb(arguments) for arguments in json.load(sys.stdin)]))
"""


class TenantsAhead:
    """Makes tenants with `CREDITS` each by an operator's verbs, as `make_tenant` does."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._made: list[Tenant] = []

    async def take(self) -> Tenant:
        """One that nobody else has."""
        if not self._made:
            await self._make(_AT_ONCE)
        return self._made.pop()

    async def _make(self, count: int) -> None:
        names = [f"shop-{uuid4().hex[:8]}" for _ in range(count)]
        made = await self._run(Service.KIOSK_GATEWAY, [["create-tenant", name, "--tenant-id", name] for name in names])
        grant = ["grant", "--credits", str(CREDITS)]
        await self._run(
            Service.BILLING_METER, [[*grant, "--tenant", name, "--receipt", f"first-{name}"] for name in names]
        )
        keys = [json.loads(line)["apiKey"] for line in made.splitlines()]
        self._made = [Tenant(name, key) for name, key in zip(names, keys, strict=True)]

    async def _run(self, service: Service, verbs: Sequence[Sequence[str]]) -> str:
        program = [sys.executable, "-c", _VERBS, service.replace("-", "_")]
        done = await asyncio.to_thread(
            subprocess.run, program, env=self._stack.env_for(service), input=json.dumps(verbs),
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout
