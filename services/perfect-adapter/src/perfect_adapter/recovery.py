"""`python -m perfect_adapter recover`: what was ordered and how it ended, as the service had told."""

from collections.abc import Sequence
from functools import partial

from closet_contracts.envelope import Event
from closet_contracts.ownership import Service
from closet_contracts.render import RenderFailed, RenderStarted, RenderSucceeded
from closet_messaging.transaction import Tx
from closet_recovery.command import parser, run
from closet_recovery.recovery import Plan

from perfect_adapter.domain import errors
from perfect_adapter.domain.features import Options
from perfect_adapter.settings import Settings
from perfect_adapter.store import recovery
from perfect_adapter.subscriptions import subscriptions
from perfect_adapter.worker import ends
from perfect_adapter.worker.ends import Fail

FAIL, REPEAT = "fail", "repeat"


class UnknownRender(LookupError):
    """A task was begun for a render that nobody dispatched, as far as the streams say."""


def main(arguments: Sequence[str]) -> int:
    """Recover; see `closet_recovery.command.run`."""
    options = parser("perfect_adapter")
    options.add_argument(
        "--unknown-orders",
        choices=(FAIL, REPEAT),
        required=True,
        help="what may have been ordered after the backup: end it uncharged, or order it (again)",
    )
    given = options.parse_args(arguments)
    return run(Settings, "perfect_adapter", partial(plan, given.unknown_orders), given)


def plan(unknown_orders: str, settings: Settings) -> Plan:
    """How this service recovers."""
    options = Options(settings.tryon_version, settings.skin_format, settings.v2_share)
    return Plan(
        service=Service.PERFECT_ADAPTER,
        handlers=subscriptions(options, lambda: None),
        facts={RenderStarted: _begun, RenderSucceeded: _succeeded, RenderFailed: _failed},
        finish=partial(_settle_unknown, unknown_orders),
    )


async def _begun(tx: Tx, event: Event[RenderStarted]) -> None:
    data = event.data
    if not await recovery.begin(tx.conn, _id_of(event), data.vendor_task_id, event.time, data.vendor_key):
        raise UnknownRender(_id_of(event))


async def _succeeded(tx: Tx, event: Event[RenderSucceeded]) -> None:
    await recovery.end(tx.conn, _id_of(event), "done", event.time)


async def _failed(tx: Tx, event: Event[RenderFailed]) -> None:
    await recovery.end(tx.conn, _id_of(event), "failed", event.time, event.data.code, event.data.vendor_code)


async def _settle_unknown(unknown_orders: str, tx: Tx) -> Sequence[str]:
    unknown = await recovery.waiting(tx.conn)
    if unknown_orders == REPEAT:
        return [f"{render.render_id}: will be ordered, perhaps for the second time" for render in unknown]
    await ends.fail(tx, [(render, Fail(errors.AMBIGUOUS)) for render in unknown])
    return [f"{render.render_id}: given up, perhaps ordered" for render in unknown]


def _id_of(event: Event[RenderStarted] | Event[RenderSucceeded] | Event[RenderFailed]) -> str:
    return f"{event.data.job_id}.{event.data.item}.{event.data.attempt}"
