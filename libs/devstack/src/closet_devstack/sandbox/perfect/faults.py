"""What goes wrong next, as it was ordered: for whom it may concern, or by a header for one call and its task."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from closet_devstack.sandbox.perfect.dice import dice
from closet_devstack.sandbox.perfect.errors import Refused
from closet_devstack.sandbox.perfect.model import Document, Natural

STEERING_HEADER = "X-Sandbox-Fault"

Kind = Literal[
    # A call of the API.
    "refuse",  # answer `status` and `code`; `created` says whether the call was carried out all the same
    "html_error",  # the same, as a page of HTML
    "cut",  # the connection is cut before anything happens
    "lost_answer",  # the call is carried out, and the connection cut before the answer
    "slow_answer",  # the answer comes `ms` later
    "slow_body",  # the answer's body trickles for `ms`
    "wrong_type",  # the answer says that it is text/html
    # A task.
    "engine_error",  # it ends in error, with `code`
    "slow_task",  # it takes `ms` longer
    "stuck",  # it never ends
    "task_timeout",  # from when it should have ended, looks at it are answered 500 `TaskTimeout`; nothing is charged
    "no_results",  # it succeeds, is charged, and has made nothing
    "other_kind",  # it makes something else than was asked: an archive for a picture, a picture for an analysis
    # The webhook of a task.
    "webhook_lost",
    "webhook_double",
    "webhook_delay",  # by `ms`
    "webhook_reorder",  # held back until another has overtaken it, for `ms` at most (0 = 5 s)
    "webhook_unsigned",
    "webhook_forged",  # signed with another secret
    # The download of a result.
    "result_gone",  # 404
    "result_expired",  # 403, whatever its URL says
    "result_garbage",  # it is no picture
    "result_redirect",  # 302
    "result_oversized",  # followed by `bytes` of nothing (0 = 32 MiB)
    "result_slow",  # it trickles for `ms`
    "result_cut",  # the connection is cut half-way
    "result_wrong_type",  # it says that it is text/html
]


class Fault(Document):
    """One kind of trouble, for the next `count` occasions, or for ever when that is negative."""

    kind: Kind
    count: int = 1
    probability: Annotated[float, Field(gt=0, le=1)] = 1
    """Of each occasion that it fits; one that it spares does not count."""
    operation: str | None = None
    """Only calls of this name; None: any."""
    feature: str | None = None
    """Only tasks of this feature, and the calls that create them or look at them; None: any."""
    key: str | None = Field(default=None, repr=False)
    """Only for this API key; None: any."""
    status: Annotated[int, Field(ge=400, le=599)] = 500
    code: str | None = None
    created: bool = False
    ms: Natural = 0
    bytes: Natural = 0


@dataclass(frozen=True, slots=True)
class Occasion:
    """When something may go wrong: a call, or a task by the call that created it. `own` was ordered for it alone."""

    operation: str
    key: str
    feature: str | None = None
    own: tuple[list[Fault], ...] = ()

    def steered_by(self, header: str) -> "Occasion":
        """The same, with more that was ordered for it alone.

        Raises:
            Refused: the header means nothing.
        """
        return replace(self, own=(_steered(header), *self.own))


def _steered(header: str) -> list[Fault]:
    """The faults in `<kind>[;name=value...]`, several separated by commas."""
    return [_fault(words) for words in header.split(",") if words.strip()]


def _fault(words: str) -> Fault:
    kind, *details = (word.strip() for word in words.split(";"))
    try:
        return Fault.model_validate({"kind": kind} | dict(detail.split("=", 1) for detail in details))
    except (ValidationError, ValueError):
        raise Refused(400, "BadRequest", f"{STEERING_HEADER}: {words.strip()} is no fault") from None


class Faults:
    """The ordered faults, oldest first."""

    def __init__(self, seed: int, ordered: Sequence[Fault] = ()) -> None:
        self.waiting: list[Fault] = []
        self.reseed(seed)
        self.add(ordered)

    def reseed(self, seed: int) -> None:
        self._chance = dice(seed, "faults")

    def add(self, ordered: Sequence[Fault]) -> None:
        """Wait for them; what was given stays as it is."""
        self.waiting += [fault.model_copy() for fault in ordered]

    def take(self, kind: Kind, occasion: Occasion) -> Fault | None:
        """The first fault that fits and that chance does not spare, the occasion's own before others; it is used."""
        for waiting in (*occasion.own, self.waiting):
            for fault in waiting:
                if fault.kind == kind and _fits(fault, occasion) and self._happens(fault):
                    fault.count -= 1
                    if fault.count == 0:
                        waiting.remove(fault)
                    return fault
        return None

    def _happens(self, fault: Fault) -> bool:
        return fault.probability == 1 or self._chance.random() < fault.probability


def _fits(fault: Fault, occasion: Occasion) -> bool:
    return (
        fault.operation in {None, occasion.operation}
        and fault.feature in {None, occasion.feature}
        and fault.key in {None, occasion.key}
    )
