"""The keys that this process holds, from its settings or a file that may change, and their metrics."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from closet_messaging.unit import Begin
from prometheus_client import Gauge

from perfect_adapter.quota import key_store, subjects
from perfect_adapter.vendor.keys import ApiKey

log = structlog.get_logger(__name__)

STATE = Gauge("closet_vendor_key_up", "1 for an active key, 0 for one that drains or is out", ["key"])
UNITS = Gauge("closet_vendor_units", "Units left of a key's account at the vendor", ["key"])


@dataclass(eq=False)
class KeyRing:
    """Keys by name. A file with one key a line is read again when it has changed: keys come and go without a restart.

    A key removed from the file is not used any more; to let it finish its tasks, drain it first.
    """

    configured: Sequence[str]
    file: Path | None
    egress: str
    keys: dict[str, ApiKey] = field(default_factory=dict, init=False)
    _file_version: tuple[int, int] | None = field(default=None, init=False)

    async def refresh(self, begin: Begin) -> None:
        """Read the file if it has changed, and make the keys known to the other replicas."""
        secrets = self._secrets()
        if secrets is None:
            return
        self.keys = {key.name: key for key in map(ApiKey, secrets)}
        async with begin() as tx:
            await subjects.add_missing(tx.conn, self.keys, self.egress)
        log.info("vendor_keys", keys=sorted(self.keys))

    def _secrets(self) -> list[str] | None:
        """Return all of them, or None if nothing has changed since they were last read."""
        if self.file is None:
            return None if self.keys else list(self.configured)
        try:
            stat = self.file.stat()
            version = (stat.st_mtime_ns, stat.st_size)
            if version == self._file_version:
                return None
            lines = self.file.read_text().split()
        except OSError as error:  # while a secret is being replaced its file may be missing for a moment
            log.warning("vendor_keys_unreadable", error=type(error).__name__)
            return None if self.keys else list(self.configured)
        self._file_version = version
        return [*self.configured, *lines]


async def update_metrics(begin: Begin, ring: KeyRing) -> None:
    """Set the metrics of every key."""
    async with begin() as tx:
        rows = await key_store.list_keys(tx.conn)
    for row in rows:
        held = row["key"] in ring.keys
        STATE.labels(row["key"]).set(held and row["state"] == "active")
        if row["units"] is not None:
            UNITS.labels(row["key"]).set(row["units"])
