"""Keeps the list of templates: the vendor is asked once a day, and each page is a call of its quota."""

from dataclasses import dataclass

import structlog

from perfect_adapter.domain.account import Style
from perfect_adapter.domain.backoff import Backoff
from perfect_adapter.domain.keys import KeyState
from perfect_adapter.ports import NotDone, Styles, Vendor
from perfect_adapter.store import keys
from perfect_adapter.store import templates as store
from perfect_adapter.worker.line import Called, Line

log = structlog.get_logger(__name__)

KINDS = ("hairstyle",)
EVERY_S = 5.0
LISTED_EVERY_S = 86_400.0
LEASE_S = 60.0
"""After this a list whose maker died is due again; each page begins it anew."""
_NO_ROOM_S = 5.0
_AGAIN = Backoff(60.0, 3600.0)
_MAX_PAGES = 50


@dataclass(eq=False)
class Lister:
    """A step of `work_loop`; of all replicas one lists."""

    line: Line
    vendor: Vendor

    async def step(self) -> bool:
        """List what is due."""
        for kind in KINDS:
            async with self.line.begin() as tx:
                due = await store.claim(tx.conn, kind, LEASE_S)
            if due:
                await self._list(kind)
        return False

    async def _list(self, kind: str) -> None:
        found = await self._pages(kind)
        async with self.line.begin() as tx:
            if found is None:
                await store.postpone(tx.conn, kind, _NO_ROOM_S)
            elif isinstance(found, list):
                await store.replace(tx.conn, kind, found, LISTED_EVERY_S)
            else:
                failures = await store.count_failure(tx.conn, kind)
                await store.postpone(tx.conn, kind, _AGAIN.draw_s(failures))
        log.info("vendor_templates", kind=kind, count=len(found) if isinstance(found, list) else None)

    async def _pages(self, kind: str) -> list[Style] | NotDone | None:
        """All of them; or what the vendor said instead of a page; or None if the quota has no room for a call."""
        found: list[Style] = []
        page: str | None = None
        for _ in range(_MAX_PAGES):
            styles = await self._page(kind, page)
            if not isinstance(styles, Styles):
                return styles
            found += styles.styles
            page = styles.more
            if page is None:
                break
        return found

    async def _page(self, kind: str, page: str | None) -> Styles | NotDone | None:
        async with self.line.begin() as tx:
            active = [row["key"] for row in await keys.listed(tx.conn) if row["state"] == KeyState.ACTIVE]
            key = next((name for name in active if name in self.line.ring.keys), None)
            if key is None or not await self.line.may_ask_about(tx, key):
                return None
            (call_id,) = await self.line.charge(tx, "templates", [(key, None)])
            await store.postpone(tx.conn, kind, LEASE_S)
        answer = await self.vendor.templates(self.line.key(key), kind, page)
        async with self.line.begin() as tx:
            await self.line.settle(tx, [Called(call_id, key, answer)])
        return answer
