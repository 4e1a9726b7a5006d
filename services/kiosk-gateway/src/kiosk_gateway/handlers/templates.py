"""The vendor's templates: pages of them, and a cached list of ids to check requests against."""

import asyncio
from collections.abc import Callable, Collection
from time import monotonic
from typing import Literal

import structlog
from closet_chassis.problems import Problem
from closet_contracts.rpc import ListTemplates, TemplatePage
from closet_messaging.bus import Bus
from closet_messaging.rpc import RpcFailed

from kiosk_gateway.domain.refusals import INVALID_CURSOR, TEMPLATES_UNAVAILABLE, UNKNOWN_TEMPLATE
from kiosk_gateway.handlers.problems import ask, problem

log = structlog.get_logger(__name__)

MAX_AGE_S = 600.0  # a withdrawn template is accepted this long; its job then fails and costs nothing
MIN_AGE_S = 5.0  # the list is fetched no more often, however many unknown ids are named
_PAGE = 100


class Templates:
    """The hairstyles that perfect-adapter lists.

    A request that names a known id needs no fetch. One that names an unknown id waits for a fresh list, since the
    vendor may have added it. Without a list (perfect-adapter does not answer, or has none yet) every id passes: a job
    whose template does not exist fails and is not charged, and no POST depends on perfect-adapter.
    """

    def __init__(self, bus: Bus, clock: Callable[[], float] = monotonic) -> None:
        self._bus = bus
        self._clock = clock
        self._known: frozenset[str] | None = None
        self._fetched_at = -MAX_AGE_S
        self._fetching = asyncio.Lock()

    async def page(self, kind: Literal["hairstyle"], *, limit: int, cursor: str | None) -> TemplatePage:
        """Return a page of the templates for a kind of work.

        Raises:
            Problem: the cursor is invalid, the templates are not known yet, or perfect-adapter does not answer.
        """
        request = ListTemplates(kind=kind, limit=limit, cursor=cursor)
        return await ask(self._bus, request, INVALID_CURSOR, TEMPLATES_UNAVAILABLE)

    async def check(self, template_ids: Collection[str]) -> None:
        """Check that the vendor offers the templates.

        Raises:
            Problem: it does not offer one of them.
        """
        if not template_ids or self._has(template_ids, MAX_AGE_S):
            return
        async with self._fetching:  # one fetch for all that wait
            if not self._has(template_ids, MAX_AGE_S) and self._age() >= MIN_AGE_S:
                await self._refresh()
        if self._known is not None and not self._known.issuperset(template_ids):
            raise problem(UNKNOWN_TEMPLATE)

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _has(self, template_ids: Collection[str], max_age_s: float) -> bool:
        return self._known is not None and self._age() < max_age_s and self._known.issuperset(template_ids)

    async def _refresh(self) -> None:
        self._fetched_at = self._clock()
        try:
            self._known = frozenset(await self._list())
        except (Problem, RpcFailed) as error:
            self._known = None
            log.warning("template_list_unavailable", error=type(error).__name__)

    async def _list(self) -> list[str]:
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = await ask(self._bus, ListTemplates(kind="hairstyle", limit=_PAGE, cursor=cursor))
            found += [template.template_id for template in page.templates]
            cursor = page.next_cursor
            if cursor is None:
                return found
