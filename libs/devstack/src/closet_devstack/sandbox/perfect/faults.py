"""What goes wrong next, as a test ordered it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Kind = Literal[
    "refuse",  # answer `status` and `code`; `created` says whether a create happened all the same
    "lost_answer",  # the call is carried out, and the connection cut before the answer
    "cut",  # the connection is cut before anything happens
    "slow_answer",  # the answer comes `ms` later
    "engine_error",  # the task ends in error, with `code`
    "webhook_lost",
    "webhook_double",
    "webhook_delay",  # by `ms`
    "webhook_forged",  # signed with another secret
    "result_gone",  # downloading the result answers 404
    "result_garbage",  # the result is no picture
]


class Fault(BaseModel):
    """One kind of trouble, for the next `count` occasions, or for ever when that is negative."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid", serialize_by_alias=True)

    kind: Kind
    count: int = 1
    operation: str | None = None
    """Only calls of this name (`create`, `look`, `credit`, `history`, `feature-cost`); None: any."""
    status: Annotated[int, Field(ge=400, le=599)] = 500
    code: str | None = None
    created: bool = False
    ms: Annotated[int, Field(ge=0)] = 0


class Faults:
    """The ordered faults, oldest first."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def take(self, kind: Kind, operation: str | None = None) -> Fault | None:
        """The first waiting fault that fits; one occasion of it is used up."""
        for fault in self.waiting:
            if fault.kind == kind and fault.operation in {None, operation}:
                fault.count -= 1
                if fault.count == 0:
                    self.waiting.remove(fault)
                return fault
        return None
