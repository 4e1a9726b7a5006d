"""How long a job takes, told from the last ones that completed."""

import math
import time

from closet_messaging.unit import Connection

from kiosk_gateway.store.jobs import median_duration

UNTIL_KNOWN_S = 30
LOOK_EVERY_S = 10.0


class Pace:
    """The median of the last 50 completed jobs of a kind, looked up now and then."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, int]] = {}

    async def seconds(self, conn: Connection, kind: str) -> int:
        """Whole seconds, at least 1."""
        looked_at, seconds = self._known.get(kind, (-LOOK_EVERY_S, UNTIL_KNOWN_S))
        now = time.monotonic()
        if now - looked_at >= LOOK_EVERY_S:
            median = await median_duration(conn, kind)
            seconds = UNTIL_KNOWN_S if median is None else max(1, math.ceil(median))
            self._known[kind] = (now, seconds)
        return seconds
