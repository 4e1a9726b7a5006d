"""States of a render, and when it is polled, retried and given up. Pure."""

from enum import StrEnum

from perfect_adapter.quota.backoff import Backoff

MAX_COLLECT_TRIES = 4
_POLL_GROWTH = 1.5
_POLL_MAX_S = 120.0
FIRST_SEARCH_S = 2.0
"""Seconds after an order has become ambiguous until its task is searched for."""
RETRY = Backoff(0.5, 30.0)
"""Pauses between attempts."""
MAX_SETBACKS = 8
"""How often our own storage, or the vendor's for inputs, may fail an order before it is given up: about two minutes."""


class RenderState(StrEnum):
    """The state of a render, by its name in the database; the last three are final."""

    WAITING = "waiting"
    SUBMITTING = "submitting"
    AMBIGUOUS = "doubtful"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DROPPED = "dropped"


def next_poll_s(poll_after_s: float, polls: int, asked_interval_s: float) -> float:
    """Return the seconds until a running task is polled again, after so many polls; never less than the vendor asks."""
    return max(min(poll_after_s * _POLL_GROWTH ** min(polls, 20), max(_POLL_MAX_S, poll_after_s)), asked_interval_s)


def retry_s(tries: int) -> float:
    """Return the seconds until the next attempt, after so many tries."""
    return RETRY.delay_s(tries)


def elapsed_ms(began: float, ended: float) -> int:
    """Return the milliseconds between two moments (epoch seconds) that different machines may have noted."""
    return max(0, round((ended - began) * 1000))
