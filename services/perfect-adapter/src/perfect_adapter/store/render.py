"""A render as a row."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from closet_contracts.upload import Asset
from closet_contracts.work import TASK, Role, Task

from perfect_adapter.domain.features import FEATURES, Feature
from perfect_adapter.domain.renders import State

COLUMNS = """render_id, job_id, item, attempt, tenant_id, work, inputs, feature, deadline, cause_id, traceparent, state,
    lease, tries, looks, key, asked_at, doubts, searched_at, in_vain, tried_at, repeats, task_id, task_began_at,
    told_at, code, setbacks, timeouts, is_made, created_at"""


@dataclass(frozen=True, slots=True)
class Render:
    """An attempt at one of a job's tasks. As the cause of an event it stands for the one that dispatched it."""

    render_id: str
    job_id: str
    item: int
    attempt: int
    tenant_id: str
    work: Task
    inputs: dict[Role, Asset]
    feature: Feature
    deadline: datetime
    id: str
    traceparent: str | None
    state: State
    lease: UUID | None
    tries: int
    looks: int
    key: str
    asked_at: datetime | None
    doubts: int
    searched_at: datetime | None
    in_vain: int
    tried_at: datetime | None
    repeats: int
    task_id: str | None
    task_began_at: datetime | None
    told_at: datetime | None
    code: str | None
    setbacks: int
    timeouts: int
    is_made: bool
    created_at: datetime


def render_of(row: asyncpg.Record) -> Render:
    """The render in a row of `COLUMNS`."""
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
        id=str(row["cause_id"]),
        traceparent=row["traceparent"],
        state=State(row["state"]),
        lease=row["lease"],
        tries=row["tries"],
        looks=row["looks"],
        key=row["key"] or "",
        asked_at=row["asked_at"],
        doubts=row["doubts"],
        searched_at=row["searched_at"],
        in_vain=row["in_vain"],
        tried_at=row["tried_at"],
        repeats=row["repeats"],
        task_id=row["task_id"],
        task_began_at=row["task_began_at"],
        told_at=row["told_at"],
        code=row["code"],
        setbacks=row["setbacks"],
        timeouts=row["timeouts"],
        is_made=row["is_made"],
        created_at=row["created_at"],
    )
