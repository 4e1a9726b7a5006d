"""Outcomes of a submission: a task, a setback after which the render waits again, or its failure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from perfect_adapter.quota.gate import CompletedCall
from perfect_adapter.renders.completion import Failure, Success
from perfect_adapter.renders.inputs import UnusableInputs
from perfect_adapter.renders.render import Render
from perfect_adapter.renders.states import MAX_SETBACKS, RETRY
from perfect_adapter.renders.store import Setback, StartedTask
from perfect_adapter.vendor import errors
from perfect_adapter.vendor.answers import CreateAnswer, Created, NoAnswer, NotMade, Refused, Throttled, Unreachable
from perfect_adapter.vendor.keys import is_about_the_key

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submitted render, with the trace of the work, the vendor's answer, and when it came."""

    render: Render
    calls: Sequence[CompletedCall]
    answer: CreateAnswer | UnusableInputs | Success | Failure
    at: datetime


def created(group: Sequence[Submitted]) -> list[tuple[Render, StartedTask]]:
    """Return those of which a task exists."""
    return [
        (one.render, StartedTask(one.render.render_id, one.answer.task_id, one.at))
        for one in group
        if isinstance(one.answer, Created)
    ]


def setback(one: Submitted) -> Setback | None:
    """Return why the render goes back to the queue, if no task was created and one may be later."""
    render_id, tries = one.render.render_id, one.render.setbacks + 1
    match one.answer:
        case Throttled():
            return Setback(render_id, errors.SATURATED.code, 0, counts=False)  # the pause of its key decides
        case Unreachable():
            return Setback(render_id, errors.UNAVAILABLE.code, 0, counts=False)
        case Refused(status=status, code=code) if is_about_the_key(status, code):
            return Setback(render_id, errors.UNAVAILABLE.code, 0, counts=False)
        case UnusableInputs(reason=None) if not _is_hopeless(one):
            return Setback(render_id, errors.UNAVAILABLE.code, RETRY.draw_s(tries), counts=True)
        case NotMade():
            return Setback(render_id, one.render.code, 0, counts=False)
    return None


def failure(one: Submitted) -> Failure | None:
    """Return how the render fails, if it does."""
    match one.answer:
        case Refused(status=status, code=code) if not is_about_the_key(status, code):
            log.error("vendor_refused_task", render_id=one.render.render_id, status=status, code=code)
            return Failure(errors.request_failure(status, code), code)
        case UnusableInputs(reason=None) if _is_hopeless(one):
            return Failure(errors.UNAVAILABLE)
        case UnusableInputs(reason=reason) if reason:
            return Failure(reason)
        case Failure() as ended:
            return ended
        case NoAnswer(reason=reason):
            log.error("order_ambiguous", render_id=one.render.render_id, reason=reason)
    return None


def _is_hopeless(one: Submitted) -> bool:
    """Return whether its inputs, which cost a call each time, were refused too often."""
    return one.render.setbacks + 1 >= MAX_SETBACKS and any(isinstance(call.answer, NoAnswer) for call in one.calls)
