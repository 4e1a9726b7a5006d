"""When a render is tried, looked at and given up."""

from enum import StrEnum

from closet_contracts.generation import Priority

from perfect_adapter.domain.backoff import Backoff

PRIORITY_RANKS = {Priority.KIOSK_LIVE: 0, Priority.INTERACTIVE: 1, Priority.BATCH: 2}
MOST_URGENT = 0

MAX_COLLECT_TRIES = 4
_LOOK_GROWTH = 1.5
_LOOK_MAX_S = 120.0
RETRY = Backoff(0.5, 30.0)
"""Something that did not work out is tried again."""
MAX_SETBACKS = 8
"""So often our own storage, or the vendor's for inputs, may fail an order before it is given up: about two minutes."""


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
    return RETRY.delay_s(tries)


def elapsed_ms(began: float, ended: float) -> int:
    """Milliseconds between two moments (epoch seconds) that different machines may have noted."""
    return max(0, round((ended - began) * 1000))
