"""A test's remote control of a running sandbox."""

from typing import Any

import aiohttp

from closet_devstack.sandbox.perfect.faults import Kind


class Remote:
    """The control endpoints of the sandbox at `url`, as methods."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def reset(self) -> None:
        """As it was at its start: no tasks, no faults, the first settings."""
        await self._ask("POST", "reset")

    async def stats(self) -> dict[str, Any]:
        """Counts of tasks, calls, answers, units, webhooks."""
        return dict(await self._ask("GET", "stats"))

    async def tasks(self) -> list[dict[str, Any]]:
        """Every task, oldest first."""
        return list(await self._ask("GET", "tasks"))

    async def change(self, **settings: object) -> dict[str, Any]:
        """Change settings, by their names in `Settings`."""
        return dict(await self._ask("PATCH", "settings", settings))

    async def fault(self, kind: Kind, count: int = 1, **details: object) -> None:
        """Order trouble, see `Fault`; a negative count is for ever."""
        await self._ask("POST", "faults", {"kind": kind, "count": count, **details})

    async def clear_faults(self) -> None:
        await self._ask("DELETE", "faults")

    async def advance(self, seconds: float) -> None:
        """Put the vendor's clock forward, or back by a negative number."""
        await self._ask("POST", "nudge", {"advance_s": seconds})

    async def set_units(self, units: int, key: str | None = None) -> None:
        """The balance of one key, or of all."""
        await self._ask("POST", "nudge", {"units": units, "key": key})

    async def forget(self, task_id: str) -> None:
        """Let a task time out."""
        await self._ask("POST", "nudge", {"forget_task": task_id})

    async def _ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.url}/_sandbox/{path}", json=body) as response,
        ):
            if not response.ok:
                raise ValueError(f"{path}: {response.status} {await response.text()}")
            return await response.json()
