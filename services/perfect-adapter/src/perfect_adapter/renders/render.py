"""A render, and how it is read from its row."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from closet_contracts.upload import Asset
from closet_contracts.work import TASK, Role, Task

from perfect_adapter.renders.states import RenderState
from perfect_adapter.vendor.features import FEATURES, Feature

COLUMNS = """render_id, job_id, item, attempt, tenant_id, work, inputs, feature, deadline, cause_id, traceparent, state,
    lease, tries, looks, key, asked_at, doubts, searched_at, in_vain, tried_at, repeats, task_id, task_began_at,
    told_at, code, setbacks, timeouts, is_made, created_at"""


@dataclass(frozen=True, slots=True)
class DispatchCause:
    """The event that dispatched a render, as the cause of the render's own events."""

    id: str
    traceparent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Render:
    """One attempt at one of a job's tasks.

    `webhook_at`: when a webhook said that its task has ended. `polls` and `searches` count calls about its task;
    `failed_searches` those since the last whole search that brought no answer.
    """

    render_id: str
    job_id: str
    item: int
    attempt: int
    tenant_id: str
    work: Task
    inputs: dict[Role, Asset]
    feature: Feature
    deadline: datetime
    cause_id: str
    traceparent: str | None
    state: RenderState
    lease: UUID | None
    tries: int
    polls: int
    key: str
    ordered_at: datetime | None
    searches: int
    searched_at: datetime | None
    failed_searches: int
    tried_at: datetime | None
    repeats: int
    task_id: str | None
    task_started_at: datetime | None
    webhook_at: datetime | None
    code: str | None
    setbacks: int
    timeouts: int
    is_made: bool
    created_at: datetime

    @property
    def cause(self) -> DispatchCause:
        """Return the cause of this render's events."""
        return DispatchCause(self.cause_id, self.traceparent)


def render_of(row: asyncpg.Record) -> Render:
    """Return the render in a row of `COLUMNS`."""
    return Render(
        render_id=row["render_id"],
        job_id=row["job_id"],
        item=row["item"],
        attempt=row["attempt"],
        tenant_id=row["tenant_id"],
        work=TASK.validate_python(row["work"]),
        inputs={Role(role): Asset.model_validate(picture) for role, picture in row["inputs"].items()},
        feature=FEATURES[row["feature"]],
        deadline=row["deadline"],
        cause_id=str(row["cause_id"]),
        traceparent=row["traceparent"],
        state=RenderState(row["state"]),
        lease=row["lease"],
        tries=row["tries"],
        polls=row["looks"],
        key=row["key"] or "",
        ordered_at=row["asked_at"],
        searches=row["doubts"],
        searched_at=row["searched_at"],
        failed_searches=row["in_vain"],
        tried_at=row["tried_at"],
        repeats=row["repeats"],
        task_id=row["task_id"],
        task_started_at=row["task_began_at"],
        webhook_at=row["told_at"],
        code=row["code"],
        setbacks=row["setbacks"],
        timeouts=row["timeouts"],
        is_made=row["is_made"],
        created_at=row["created_at"],
    )
