"""What an operator decided about ordering. Pure."""

from dataclasses import dataclass

from perfect_adapter.queue.fair_queue import QueuePolicy

TIME_NEEDED_S = 2.0
"""Beside the task's own time. Nothing is ordered that could not be there in time: it would be paid for in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderingPolicy:
    """How renders are ordered.

    Args:
        queue: in which order.
        at_once: how many of one key and path may be in hand or ambiguous at the same time.
        calls_per_task: what a task costs of the quota in the end.
        ambiguous_wait_s: after which none waits for an ambiguous order that was searched for in vain.
    """

    queue: QueuePolicy
    at_once: int
    calls_per_task: int
    ambiguous_wait_s: float
