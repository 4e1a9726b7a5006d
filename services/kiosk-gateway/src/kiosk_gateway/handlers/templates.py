"""Is a template one that the vendor offers? Told from a list that is kept, asked for anew only to refuse."""

import asyncio
from collections.abc import Callable, Collection
from time import monotonic

import structlog
from closet_chassis.problems import Problem
from closet_contracts.rpc import ListTemplates
from closet_messaging.bus import Bus
from closet_messaging.rpc import RpcFailed

from kiosk_gateway.domain.refusals import UNKNOWN_TEMPLATE
from kiosk_gateway.handlers.refusing import ask, refuse

log = structlog.get_logger(__name__)

MAX_AGE_S = 600.0  # a template that the vendor has withdrawn is taken for so long; its job then fails and costs nothing
MIN_AGE_S = 5.0  # however many unknown ones are named, the list is asked for no more often
_PAGE = 100


class Templates:
    """The ids of hairstyles as last listed by perfect-adapter.

    A request that names a known one asks nobody. One that names an unknown one waits for a fresh list, for the vendor
    may have added it. Where there is no list (the adapter is away, or has none yet) the request is let through: a job
    whose template turns out not to exist fails and is not charged, and nobody's POST depends on the adapter.
    """

    def __init__(self, bus: Bus, clock: Callable[[], float] = monotonic) -> None:
        self._bus = bus
        self._clock = clock
        self._known: frozenset[str] | None = None
        self._asked_at = -MAX_AGE_S
        self._asking = asyncio.Lock()

    async def check(self, template_ids: Collection[str]) -> None:
        """Let the templates pass.

        Raises:
            Problem: one of them is not offered.
        """
        if not template_ids or self._has(template_ids, MAX_AGE_S):
            return
        async with self._asking:  # one question for all who wait
            if not self._has(template_ids, MAX_AGE_S) and self._age() >= MIN_AGE_S:
                await self._refresh()
        if self._known is not None and not self._known.issuperset(template_ids):
            raise refuse(UNKNOWN_TEMPLATE)

    def _age(self) -> float:
        return self._clock() - self._asked_at

    def _has(self, template_ids: Collection[str], max_age_s: float) -> bool:
        return self._known is not None and self._age() < max_age_s and self._known.issuperset(template_ids)

    async def _refresh(self) -> None:
        self._asked_at = self._clock()
        try:
            self._known = frozenset(await self._list())
        except (Problem, RpcFailed) as error:
            self._known = None
            log.warning("templates_unknown", error=type(error).__name__)

    async def _list(self) -> list[str]:
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = await ask(self._bus, ListTemplates(kind="hairstyle", limit=_PAGE, cursor=cursor))
            found += [template.template_id for template in page.templates]
            cursor = page.next_cursor
            if cursor is None:
                return found
