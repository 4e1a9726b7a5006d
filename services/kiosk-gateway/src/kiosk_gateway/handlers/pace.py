"""How long a job takes once it is its turn, told from the last ones that completed."""

import math
import time

from closet_messaging.transaction import Connection

from kiosk_gateway.store.jobs import median_duration

UNTIL_KNOWN_S = 30
LOOK_EVERY_S = 10.0


class Pace:
    """The median of the last 50 completed jobs of a kind, looked up now and then."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, float | None]] = {}

    async def seconds(self, conn: Connection, kind: str, otherwise: float | None) -> int:
        """Whole seconds, at least 1; `otherwise` until a job of the kind has completed, if that is known."""
        looked_at, median = self._known.get(kind, (-LOOK_EVERY_S, None))
        now = time.monotonic()
        if now - looked_at >= LOOK_EVERY_S:
            median = await median_duration(conn, kind)
            self._known[kind] = (now, median)
        return max(1, math.ceil(median or otherwise or UNTIL_KNOWN_S))
