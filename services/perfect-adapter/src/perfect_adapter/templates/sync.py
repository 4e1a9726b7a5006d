"""Synchronisation of the list of templates, once a day; each page is a call of the quota."""

from dataclasses import dataclass

import structlog

from perfect_adapter.quota import api_keys
from perfect_adapter.quota.api_keys import KeyState
from perfect_adapter.quota.backoff import Backoff
from perfect_adapter.quota.gate import CompletedCall, QuotaGate
from perfect_adapter.templates import store
from perfect_adapter.vendor.answers import NotDone, VendorTemplate, VendorTemplatePage
from perfect_adapter.vendor.client import VendorClient

log = structlog.get_logger(__name__)

KINDS = ("hairstyle",)
EVERY_S = 5.0
LISTED_EVERY_S = 86_400.0
LEASE_S = 60.0
"""After this a list whose worker died is due again; each page renews it."""
_QUOTA_FULL_S = 5.0
_RETRY = Backoff(60.0, 3600.0)
_MAX_PAGES = 50


@dataclass(eq=False)
class TemplateSync:
    """A step of `work_loop`; one replica at a time lists."""

    gate: QuotaGate
    vendor: VendorClient

    async def step(self) -> bool:
        """List the kinds that are due."""
        for kind in KINDS:
            async with self.gate.begin() as tx:
                due = await store.claim(tx.conn, kind, LEASE_S)
            if due:
                await self._list(kind)
        return False

    async def _list(self, kind: str) -> None:
        found = await self._pages(kind)
        async with self.gate.begin() as tx:
            if found is None:
                await store.postpone(tx.conn, kind, _QUOTA_FULL_S)
            elif isinstance(found, list):
                await store.replace(tx.conn, kind, found, LISTED_EVERY_S)
            else:
                failures = await store.count_failure(tx.conn, kind)
                await store.postpone(tx.conn, kind, _RETRY.draw_s(failures))
        log.info("vendor_templates", kind=kind, count=len(found) if isinstance(found, list) else None)

    async def _pages(self, kind: str) -> list[VendorTemplate] | NotDone | None:
        """Return all templates; the vendor's answer if it gave no page; None if the quota allows no call."""
        found: list[VendorTemplate] = []
        page: str | None = None
        for _ in range(_MAX_PAGES):
            answer = await self._page(kind, page)
            if not isinstance(answer, VendorTemplatePage):
                return answer
            found += answer.templates
            page = answer.more
            if page is None:
                break
        return found

    async def _page(self, kind: str, page: str | None) -> VendorTemplatePage | NotDone | None:
        async with self.gate.begin() as tx:
            active = [row["key"] for row in await api_keys.list_keys(tx.conn) if row["state"] == KeyState.ACTIVE]
            key = next((name for name in active if name in self.gate.ring.keys), None)
            if key is None or not await self.gate.admit_account_call(tx, key):
                return None
            (call_id,) = await self.gate.charge(tx, "templates", [(key, None)])
            await store.postpone(tx.conn, kind, LEASE_S)
        answer = await self.vendor.templates(self.gate.key(key), kind, page)
        async with self.gate.begin() as tx:
            await self.gate.settle(tx, [CompletedCall(call_id, key, answer)])
        return answer
