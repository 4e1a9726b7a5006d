"""The vendor's quota: calls in a sliding window, for each key and for each address."""

from collections import deque


class Quota:
    """Counts calls. Refused ones do not count."""

    def __init__(self) -> None:
        self._calls: dict[str, deque[float]] = {}

    def admit(self, parties: tuple[str, ...], limit: int, window_s: float, now: float) -> bool:
        """Whether every party still has a call left; if so it is taken."""
        if not limit:
            return True
        windows = [self._window(party, now - window_s) for party in parties]
        if any(len(window) >= limit for window in windows):
            return False
        for window in windows:
            window.append(now)
        return True

    def _window(self, party: str, since: float) -> deque[float]:
        calls = self._calls.setdefault(party, deque())
        while calls and calls[0] <= since:
            calls.popleft()
        return calls
