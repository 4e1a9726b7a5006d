"""May this process be given work? Asked by `/readyz`."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

Check = Callable[[], Awaitable[str | None]]
CHECK_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Report:
    """What each check said; None is fine."""

    checks: dict[str, str | None]

    @property
    def ready(self) -> bool:
        """Is all well?"""
        return not any(self.checks.values())

    def as_json(self, *, tells_why: bool = True) -> dict[str, Any]:
        """`{status, checks: {name: {ok, detail}}}`; what a check said is in `detail` only if it `tells_why`."""
        return {
            "status": "ready" if self.ready else "not_ready",
            "checks": {
                name: {"ok": not detail, "detail": detail if tells_why else None}
                for name, detail in self.checks.items()
            },
        }


class Readiness:
    """Named checks. All are asked at once; those who ask at the same time share one round."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._round: asyncio.Task[dict[str, str | None]] | None = None
        self._stopping = False

    def add(self, name: str, check: Check) -> None:
        """Add a check that answers None if all is well, else a sentence."""
        self._checks[name] = check

    def stop(self) -> None:
        """Not ready from now on."""
        self._stopping = True

    async def report(self) -> Report:
        """Ask."""
        if self._stopping:
            return Report({"process": "the process is stopping"})
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._ask())
        return Report(await asyncio.shield(self._round))

    async def _ask(self) -> dict[str, str | None]:
        answers = await asyncio.gather(*(_ask_one(check) for check in self._checks.values()))
        return dict(zip(self._checks, answers, strict=True))


async def _ask_one(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check()
    except Exception as error:  # noqa: BLE001 a check that fails in any way is a "no"
        return f"the check failed ({type(error).__name__})"
