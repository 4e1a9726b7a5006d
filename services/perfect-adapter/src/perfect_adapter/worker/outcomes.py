"""What came of an order: a task, a setback after which it waits again, or its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from perfect_adapter.domain import errors
from perfect_adapter.domain.keys import is_about_the_key
from perfect_adapter.domain.renders import MAX_SETBACKS, RETRY
from perfect_adapter.ports import Created, NoAnswer, NotMade, Refused, Submission, Throttled, Unreachable
from perfect_adapter.store.render import Render
from perfect_adapter.store.renders import Began, Setback
from perfect_adapter.worker.ends import Done, Fail
from perfect_adapter.worker.inputs import NotUsable
from perfect_adapter.worker.line import Called

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A render, with the trace of the work done, and what the vendor answered, when."""

    render: Render
    calls: Sequence[Called]
    answer: Submission | NotUsable | Done | Fail
    at: datetime


def created(group: Sequence[Submitted]) -> list[tuple[Render, Began]]:
    """Those of which a task exists."""
    return [
        (one.render, Began(one.render.render_id, one.answer.task_id, one.at))
        for one in group
        if isinstance(one.answer, Created)
    ]


def setback(one: Submitted) -> Setback | None:
    """Why it goes back to where it came from, if no task was created and one may be later."""
    render_id, tries = one.render.render_id, one.render.setbacks + 1
    match one.answer:
        case Throttled():
            return Setback(render_id, errors.SATURATED.code, 0, counts=False)  # the pause of its key decides
        case Unreachable():
            return Setback(render_id, errors.UNAVAILABLE.code, 0, counts=False)
        case Refused(status=status, code=code) if is_about_the_key(status, code):
            return Setback(render_id, errors.UNAVAILABLE.code, 0, counts=False)
        case NotUsable(failure=None) if not _is_hopeless(one):
            return Setback(render_id, errors.UNAVAILABLE.code, RETRY.draw_s(tries), counts=True)
        case NotMade():
            return Setback(render_id, one.render.code, 0, counts=False)
    return None


def failure(one: Submitted) -> Fail | None:
    """How it ends, if it does."""
    match one.answer:
        case Refused(status=status, code=code) if not is_about_the_key(status, code):
            log.error("vendor_refused_task", render_id=one.render.render_id, status=status, code=code)
            return Fail(errors.request_failure(status, code), code)
        case NotUsable(failure=None) if _is_hopeless(one):
            return Fail(errors.UNAVAILABLE)
        case NotUsable(failure=reason) if reason:
            return Fail(reason)
        case Fail() as fail:
            return fail
        case NoAnswer(reason=reason):
            log.error("task_is_in_doubt", render_id=one.render.render_id, reason=reason)
    return None


def _is_hopeless(one: Submitted) -> bool:
    """Its inputs cost a call each time and were not taken so often that they will not be."""
    return one.render.setbacks + 1 >= MAX_SETBACKS and any(isinstance(call.answer, NoAnswer) for call in one.calls)
