"""The vendor's quota: calls in sliding windows, for each key and for each address."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `calls` of `subject`, a key or an address, in any `window_s` seconds; 0 calls mean no limit."""

    subject: str
    calls: int
    window_s: float


class Quota:
    """Counts calls. Refused ones do not count."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, float], deque[float]] = {}

    def admit(self, limits: Sequence[Limit], now: float) -> bool:
        """Whether a call stays within every limit; if so it is counted in each."""
        windows = [(self._window(limit, now), limit.calls) for limit in limits if limit.calls]
        if any(len(window) >= calls for window, calls in windows):
            return False
        for window, _ in windows:
            window.append(now)
        return True

    def _window(self, limit: Limit, now: float) -> deque[float]:
        calls, since = self._calls.setdefault((limit.subject, limit.window_s), deque()), now - limit.window_s
        while calls and calls[0] <= since:
            calls.popleft()
        return calls
