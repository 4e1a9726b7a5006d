"""The operator's verbs that change the ledger, its prices and its thresholds."""

from argparse import Namespace
from collections.abc import Mapping

from closet_contracts.credit import PriceBook
from closet_messaging.transaction import Tx

from billing_meter.admin import options as option
from billing_meter.admin.options import wallet
from billing_meter.admin.verb import Answer, Outcome, Verb, VerbOutcome
from billing_meter.domain.movements import Correction, Hold, Movement, OfflineReserve, Receipt, ReceiptKind
from billing_meter.handlers import offline_reserves, receipts
from billing_meter.store import accounts, movements
from billing_meter.store.prices import add_book


async def _grant(tx: Tx, options: Namespace) -> Answer:
    return await _receive(tx, options, Receipt(ReceiptKind.GRANT, *_receipt_fields(options)))


async def _topup(tx: Tx, options: Namespace) -> Answer:
    return await _receive(tx, options, Receipt(ReceiptKind.TOPUP, *_receipt_fields(options)))


async def _promote(tx: Tx, options: Namespace) -> Answer:
    return await _receive(
        tx, options, Receipt(ReceiptKind.PROMOTION, *_receipt_fields(options), expires_at=options.until)
    )


async def _refund(tx: Tx, options: Namespace) -> Answer:
    correction = _correction(options, options.job)
    return _answer(await receipts.refund_credits(tx, correction), receipt=options.receipt)


async def _adjust(tx: Tx, options: Namespace) -> Answer:
    correction = _correction(options, wallet(options))
    return _answer(await receipts.adjust_credits(tx, correction), receipt=options.receipt)


async def _reserve(tx: Tx, options: Namespace) -> Answer:
    reserve = OfflineReserve(options.reserve, options.tenant, wallet(options), options.credits, options.until)
    return _answer(await offline_reserves.reserve_credits(tx, reserve), reserve=options.reserve)


async def _draw_down(tx: Tx, options: Namespace) -> Answer:
    hold = Hold(options.job, options.tenant, options.reserve, options.credits, options.until)
    return _answer(await offline_reserves.draw_down(tx, hold), reserve=options.reserve, job=options.job)


async def _settle_reserve(tx: Tx, options: Namespace) -> Answer:
    reason = options.reason or "synced"
    moved = await offline_reserves.settle_reserve(tx, options.reserve, options.tenant, reason)
    return _answer(moved, reserve=options.reserve)


async def _low_balance(tx: Tx, options: Namespace) -> Answer:
    is_set = await movements.set_thresholds(tx.conn, wallet(options), options.at)
    outcome = VerbOutcome.SET if is_set else VerbOutcome.MISSING
    return Answer(outcome, {"account": wallet(options), "at": options.at})


async def _prices(tx: Tx, options: Namespace) -> Answer:
    book: PriceBook = options.book
    is_added = await add_book(tx.conn, book, options.since)
    if is_added:
        await receipts.publish_prices(tx)
    return Answer(VerbOutcome.ADDED if is_added else VerbOutcome.REFUSED, {"version": book.version})


async def _rebuild(tx: Tx, _options: Namespace) -> Answer:
    return Answer(VerbOutcome.REBUILT, {"wrong": await accounts.rebuild(tx.conn)})


async def _receive(tx: Tx, options: Namespace, receipt: Receipt) -> Answer:
    return _answer(await receipts.receive_credits(tx, receipt), receipt=options.receipt)


def _receipt_fields(options: Namespace) -> tuple[str, str, str, int, str, str | None]:
    cause = f"receipt:{options.receipt}"
    return cause, options.tenant, wallet(options), options.credits, options.actor, options.reason


def _correction(options: Namespace, target: str) -> Correction:
    return Correction(options.receipt, options.tenant, target, options.credits, options.actor, options.reason)


def _answer(moved: Movement[Outcome], **names: str) -> Answer:
    fields = {
        "account": moved.wallet,
        **names,
        "credits": moved.credits,
        "balance": moved.balance,
        "held": moved.held,
        "available": moved.available,
    }
    return Answer(moved.outcome, fields)


_RECEIPT_OPTIONS = (option.TENANT, option.DEVICE, option.CREDITS, option.RECEIPT, option.ACTOR, option.REASON)

LEDGER_VERBS: Mapping[str, Verb] = {
    "grant": Verb("grant credits, once per receipt", _RECEIPT_OPTIONS, _grant),
    "topup": Verb("book credits that were paid for, once per receipt", _RECEIPT_OPTIONS, _topup),
    "promote": Verb(
        "grant promotional credits until a day, once per receipt", (*_RECEIPT_OPTIONS, option.UNTIL), _promote
    ),
    "refund": Verb(
        "refund credits of a charged job, once per receipt",
        (option.TENANT, option.JOB, option.CREDITS, option.RECEIPT, option.ACTOR, option.WHY),
        _refund,
    ),
    "adjust": Verb(
        "adjust a balance up or down, once per receipt",
        (option.TENANT, option.DEVICE, option.CHANGE, option.RECEIPT, option.ACTOR, option.WHY),
        _adjust,
    ),
    "reserve": Verb(
        "set credits aside that a device may spend while it is offline",
        (option.TENANT, option.DEVICE, option.RESERVE, option.CREDITS, option.UNTIL),
        _reserve,
    ),
    "draw-down": Verb(
        "hold a job's price out of a reserve",
        (option.TENANT, option.RESERVE, option.JOB, option.CREDITS, option.UNTIL),
        _draw_down,
    ),
    "settle-reserve": Verb(
        "end a reserve and release what is left of it",
        (option.TENANT, option.RESERVE, option.REASON),
        _settle_reserve,
    ),
    "low-balance": Verb(
        "set the thresholds of a wallet below which its balance is low",
        (option.TENANT, option.DEVICE, option.LOW_AT),
        _low_balance,
    ),
    "prices": Verb("add a price book, sold from a time on", (option.BOOK, option.FROM), _prices),
    "rebuild": Verb("rebuild the balances from the entries", (), _rebuild),
}
