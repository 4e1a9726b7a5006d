"""API keys: those that this process holds, and their states and units, as all replicas know them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import asyncpg
import structlog
from closet_chassis.postgres import affected
from closet_messaging.transaction import Begin, Connection
from prometheus_client import Gauge

from perfect_adapter.quota.backoff import Backoff
from perfect_adapter.vendor.keys import ApiKey

log = structlog.get_logger(__name__)

STATE = Gauge("closet_vendor_key_up", "1 for an active key, 0 for one that drains or is out", ["key"])
UNITS = Gauge("closet_vendor_units", "Units left of a key's account at the vendor", ["key"])

_CHECKS = Backoff(60.0, 3600.0)


class KeyState(StrEnum):
    """`draining`: finishes its tasks, gets no new ones. `out`: the vendor does not take it, for now."""

    ACTIVE = "active"
    DRAINING = "draining"
    OUT = "out"


def check_in_s(checks: int) -> float:
    """Return the seconds until a key that is out is checked again, after so many checks in vain."""
    return _CHECKS.delay_s(checks + 1)


async def take_out(conn: Connection, key: str, reason: str, in_s: float) -> bool:
    """Take a key out until it is checked, and return whether it was not out before."""
    status = await conn.execute(
        """
        UPDATE parties SET state = 'out', reason = $2, probes = 0, probe_at = now() + make_interval(secs => $3)
        WHERE party = $1 AND kind = 'key' AND state <> 'out'
        """,
        key,
        reason,
        in_s,
    )
    return affected(status) == 1


async def limit_units(conn: Connection, key: str, max_units: int) -> None:
    """Limit a key to tasks of at most so many units, until its account, checked at once, is seen to hold more.

    The caller has locked it.
    """
    await conn.execute(
        """
        UPDATE parties SET affordable = least(affordable, $2),
            probe_at = CASE WHEN affordable IS NULL THEN now() ELSE probe_at END
        WHERE party = $1 AND kind = 'key'
        """,
        key,
        max_units,
    )


async def put_back(conn: Connection, key: str) -> bool:
    """Put a key back to work, and return whether it was out."""
    status = await conn.execute(
        "UPDATE parties SET state = 'active', reason = NULL, probes = 0 WHERE party = $1 AND state = 'out'", key
    )
    return affected(status) == 1


async def set_state(conn: Connection, key: str, state: KeyState, reason: str) -> bool:
    """Set the state that an operator decided, and return whether there is such a key."""
    status = await conn.execute(
        "UPDATE parties SET state = $2, reason = $3, probe_at = now() WHERE party = $1 AND kind = 'key'",
        key,
        state.value,
        reason,
    )
    return affected(status) == 1


async def find_due_for_check(conn: Connection, keys: Collection[str]) -> str | None:
    """Return a key whose account is due to be checked; it is not locked."""
    name: str | None = await conn.fetchval(
        """
        SELECT party FROM parties WHERE party = ANY($1) AND kind = 'key' AND probe_at <= now()
        ORDER BY probe_at LIMIT 1
        """,
        list(keys),
    )
    return name


async def claim_check(conn: Connection, key: str, lease_s: float) -> bool:
    """Claim the check, if no other replica has; it is due again after `lease_s`. Return whether it is ours."""
    status = await conn.execute(
        "UPDATE parties SET probe_at = now() + make_interval(secs => $2) WHERE party = $1 AND probe_at <= now()",
        key,
        lease_s,
    )
    return affected(status) == 1


async def schedule_check(conn: Connection, key: str, in_s: float) -> None:
    """Schedule the key's next check, and count it if the key is out."""
    await conn.execute(
        """
        UPDATE parties SET probe_at = now() + make_interval(secs => $2), probes = probes + (state = 'out')::integer
        WHERE party = $1
        """,
        key,
        in_s,
    )


async def note_units(conn: Connection, key: str, units: int) -> None:
    """Record what the account holds; more than what did not suffice lifts the limit."""
    await conn.execute(
        """
        UPDATE parties SET units = $2, affordable = CASE WHEN $2 > affordable THEN NULL ELSE affordable END
        WHERE party = $1
        """,
        key,
        units,
    )


async def max_units_of_any(conn: Connection) -> float:
    """Return how many units a task may cost that some key takes: 0 without an active key, infinity without a limit."""
    units: float | None = await conn.fetchval(
        """
        SELECT max(coalesce(affordable::float8, 'infinity')) FROM parties WHERE kind = 'key' AND state = 'active'
        """
    )
    return units or 0.0


async def list_keys(conn: Connection) -> Sequence[asyncpg.Record]:
    """Return every key ever used, with its state and the number of its tasks at the vendor."""
    return await conn.fetch(
        """
        SELECT party AS key, state, reason, units, affordable, probes,
            greatest(0, extract(epoch FROM paused_until - now()))::float8 AS paused_s,
            (SELECT count(*) FROM renders r
             WHERE r.key = party AND r.state IN ('submitting', 'doubtful', 'running')) AS at_vendor
        FROM parties WHERE kind = 'key' ORDER BY party
        """
    )


async def count_at_vendor(conn: Connection) -> dict[str, int]:
    """Return by key how many tasks have yet to be polled."""
    rows = await conn.fetch(
        "SELECT key, count(*) FROM renders WHERE state IN ('submitting', 'doubtful', 'running') GROUP BY key"
    )
    return {row["key"]: row["count"] for row in rows}


async def add_missing_subjects(conn: Connection, keys: Collection[str], egress: str) -> None:
    """Add those that do not exist yet.

    An existing one is not even tried: an insertion would wait for a replica that is changing it, and may be frozen.
    """
    await conn.executemany(
        """
        INSERT INTO parties (party, kind) SELECT $1, $2
        WHERE NOT EXISTS (SELECT FROM parties WHERE party = $1) ON CONFLICT DO NOTHING
        """,
        sorted([*((key, "key") for key in keys), (egress, "egress")]),
    )


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
            await add_missing_subjects(tx.conn, self.keys, self.egress)
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
        rows = await list_keys(tx.conn)
    for row in rows:
        held = row["key"] in ring.keys
        STATE.labels(row["key"]).set(held and row["state"] == "active")
        if row["units"] is not None:
            UNITS.labels(row["key"]).set(row["units"])
