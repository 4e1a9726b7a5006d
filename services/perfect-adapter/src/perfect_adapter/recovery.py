"""`python -m perfect_adapter recover`: restores orders and their ends from the service's own events."""

from collections.abc import Sequence
from functools import partial

from closet_contracts.envelope import Event
from closet_contracts.ownership import Service
from closet_contracts.render import RenderFailed, RenderStarted, RenderSucceeded
from closet_messaging.transaction import Tx
from closet_recovery.command import parser, run
from closet_recovery.recovery import Plan

from perfect_adapter.renders import completion, restore
from perfect_adapter.renders.completion import Failure
from perfect_adapter.renders.states import RenderState
from perfect_adapter.settings import Settings
from perfect_adapter.subscriptions import subscriptions
from perfect_adapter.vendor import errors
from perfect_adapter.vendor.features import FeatureOptions

FAIL, REPEAT = "fail", "repeat"


class UnknownRender(LookupError):
    """A task was started for a render without a dispatch in the streams."""


def main(arguments: Sequence[str]) -> int:
    """Recover; see `closet_recovery.command.run`."""
    options = parser("perfect_adapter")
    options.add_argument(
        "--unknown-orders",
        choices=(FAIL, REPEAT),
        required=True,
        help="renders that may have been ordered after the backup: fail them uncharged, or order them, perhaps again",
    )
    given = options.parse_args(arguments)
    return run(Settings, "perfect_adapter", partial(plan, given.unknown_orders), given)


def plan(unknown_orders: str, settings: Settings) -> Plan:
    """Return how this service recovers."""
    options = FeatureOptions(settings.tryon_version, settings.skin_format, settings.v2_share)
    return Plan(
        service=Service.PERFECT_ADAPTER,
        handlers=subscriptions(options, lambda: None),
        facts={RenderStarted: _restore_started, RenderSucceeded: _restore_succeeded, RenderFailed: _restore_failed},
        finish=partial(_finish, unknown_orders),
    )


async def _restore_started(tx: Tx, event: Event[RenderStarted]) -> None:
    data = event.data
    if not await restore.restore_started(tx.conn, _id_of(event), data.vendor_task_id, event.time, data.vendor_key):
        raise UnknownRender(_id_of(event))


async def _restore_succeeded(tx: Tx, event: Event[RenderSucceeded]) -> None:
    await restore.restore_ended(tx.conn, _id_of(event), RenderState.DONE, ended_at=event.time)


async def _restore_failed(tx: Tx, event: Event[RenderFailed]) -> None:
    await restore.restore_ended(
        tx.conn,
        _id_of(event),
        RenderState.FAILED,
        ended_at=event.time,
        code=event.data.code,
        vendor_code=event.data.vendor_code,
    )


async def _finish(unknown_orders: str, tx: Tx) -> Sequence[str]:
    unknown = await restore.lock_waiting(tx.conn)
    if unknown_orders == REPEAT:
        return [f"{render.render_id}: will be ordered, perhaps for the second time" for render in unknown]
    await completion.fail(tx, [(render, Failure(errors.AMBIGUOUS)) for render in unknown])
    return [f"{render.render_id}: given up, perhaps ordered" for render in unknown]


def _id_of(event: Event[RenderStarted] | Event[RenderSucceeded] | Event[RenderFailed]) -> str:
    return f"{event.data.job_id}.{event.data.item}.{event.data.attempt}"
