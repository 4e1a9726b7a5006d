"""The vendor's quota: calls in a sliding window, for each key and for each address."""

from collections import deque
from collections.abc import Mapping


class Quota:
    """Counts calls. Refused ones do not count."""

    def __init__(self) -> None:
        self._calls: dict[str, deque[float]] = {}

    def admit(self, limits: Mapping[str, int], window_s: float, now: float) -> bool:
        """Whether every party is below its limit; if so a call of each is taken. A limit of 0 is none."""
        windows = [(self._window(party, now - window_s), limit) for party, limit in limits.items() if limit]
        if any(len(window) >= limit for window, limit in windows):
            return False
        for window, _ in windows:
            window.append(now)
        return True

    def _window(self, party: str, since: float) -> deque[float]:
        calls = self._calls.setdefault(party, deque())
        while calls and calls[0] <= since:
            calls.popleft()
        return calls
