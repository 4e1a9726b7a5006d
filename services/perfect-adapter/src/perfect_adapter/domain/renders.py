"""When a render is tried, looked at and given up."""

from enum import StrEnum

from closet_contracts.generation import Priority

PRIORITY_RANKS = {Priority.KIOSK_LIVE: 0, Priority.INTERACTIVE: 1, Priority.BATCH: 2}

MAX_COLLECT_TRIES = 4
_LOOK_GROWTH = 1.5
_LOOK_MAX_S = 120.0
_RETRY_FIRST_S = 0.5
_RETRY_MAX_S = 30.0


class State(StrEnum):
    """Where a render stands; the last three are final."""

    WAITING = "waiting"
    SUBMITTING = "submitting"
    DOUBTFUL = "doubtful"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DROPPED = "dropped"


def next_look_s(look_after_s: float, looks: int, told_interval_s: float) -> float:
    """Seconds until a task that still runs is looked at again, after so many looks; the vendor may ask for patience."""
    return max(min(look_after_s * _LOOK_GROWTH ** min(looks, 20), max(_LOOK_MAX_S, look_after_s)), told_interval_s)


def retry_s(tries: int) -> float:
    """Seconds until something that did not work out is tried again, after so many tries."""
    return min(_RETRY_FIRST_S * 2.0 ** min(max(tries - 1, 0), 10), _RETRY_MAX_S)


def elapsed_ms(began: float, ended: float) -> int:
    """Milliseconds between two moments (epoch seconds) that different machines may have noted."""
    return max(0, round((ended - began) * 1000))
