"""The keys that this process holds, from its settings or a file that may change, and how each of them does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from closet_messaging.transaction import Begin
from prometheus_client import Gauge

from perfect_adapter.domain.keys import Key
from perfect_adapter.store import keys as store
from perfect_adapter.store import ledger

log = structlog.get_logger(__name__)

STATE = Gauge("closet_vendor_key_up", "1 for a key that work goes to, 0 for one that drains or is out", ["key"])
UNITS = Gauge("closet_vendor_units", "What is left of a key's account, in the vendor's units", ["key"])


@dataclass(eq=False)
class KeyRing:
    """Keys by name. A file with one key a line is read again when it has changed: keys come and go without a restart.

    A key that is gone from the file is used for nothing more; one that shall finish what it began is drained first.
    """

    given: Sequence[str]
    file: Path | None
    egress: str
    keys: dict[str, Key] = field(default_factory=dict, init=False)
    _seen: tuple[int, int] | None = field(default=None, init=False)

    async def refresh(self, begin: Begin) -> None:
        """Read the file if it has changed, and make the keys known to the other replicas."""
        secrets = self._secrets()
        if secrets is None:
            return
        self.keys = {key.name: key for key in map(Key, secrets)}
        async with begin() as tx:
            await ledger.open_parties(tx.conn, self.keys, self.egress)
        log.info("vendor_keys", keys=sorted(self.keys))

    def _secrets(self) -> list[str] | None:
        """All of them, or None if nothing has changed since they were last read."""
        if self.file is None:
            return None if self.keys else list(self.given)
        try:
            stat = self.file.stat()
            seen = (stat.st_mtime_ns, stat.st_size)
            if seen == self._seen:
                return None
            lines = self.file.read_text().split()
        except OSError as error:  # while a secret is being replaced its file may be missing for a moment
            log.warning("vendor_keys_unreadable", error=type(error).__name__)
            return None if self.keys else list(self.given)
        self._seen = seen
        return [*self.given, *lines]


async def measure(begin: Begin, ring: KeyRing) -> None:
    """Show how every key does."""
    async with begin() as tx:
        rows = await store.listed(tx.conn)
    for row in rows:
        held = row["key"] in ring.keys
        STATE.labels(row["key"]).set(held and row["state"] == "active")
        if row["units"] is not None:
            UNITS.labels(row["key"]).set(row["units"])
