"""The operator's verbs: what each needs, and what it does in one transaction."""

from argparse import Namespace
from collections.abc import Mapping

from closet_contracts.credit import PriceBook
from closet_messaging.transaction import Tx

from billing_meter.admin import options as given
from billing_meter.admin.options import wallet
from billing_meter.admin.stripe import STRIPE_VERBS
from billing_meter.admin.verb import Answer, Verb
from billing_meter.domain.movements import Correction, Hold, Movement, Promise, Receipt
from billing_meter.handlers import promises, receipts
from billing_meter.store import accounts, movements
from billing_meter.store.prices import add_book


async def _grant(tx: Tx, options: Namespace) -> Answer:
    return await _receive(tx, options, Receipt("grant", *_came_in(options)))


async def _topup(tx: Tx, options: Namespace) -> Answer:
    return await _receive(tx, options, Receipt("topup", *_came_in(options)))


async def _promote(tx: Tx, options: Namespace) -> Answer:
    return await _receive(tx, options, Receipt("promotion", *_came_in(options), expires_at=options.until))


async def _refund(tx: Tx, options: Namespace) -> Answer:
    correction = _correction(options, options.job)
    return _answer(await receipts.refund_credits(tx, correction), receipt=options.receipt)


async def _adjust(tx: Tx, options: Namespace) -> Answer:
    correction = _correction(options, wallet(options))
    return _answer(await receipts.adjust_credits(tx, correction), receipt=options.receipt)


async def _promise(tx: Tx, options: Namespace) -> Answer:
    promise = Promise(options.promise, options.tenant, wallet(options), options.credits, options.until)
    return _answer(await promises.promise_credits(tx, promise), promise=options.promise)


async def _draw(tx: Tx, options: Namespace) -> Answer:
    hold = Hold(options.job, options.tenant, options.promise, options.credits, options.until)
    return _answer(await promises.hold_promised(tx, hold), promise=options.promise, job=options.job)


async def _settle(tx: Tx, options: Namespace) -> Answer:
    reason = options.reason or "synced"
    moved = await promises.settle_promise(tx, options.promise, options.tenant, reason)
    return _answer(moved, promise=options.promise)


async def _low(tx: Tx, options: Namespace) -> Answer:
    known = await movements.set_thresholds(tx.conn, wallet(options), options.at)
    return {"outcome": "set" if known else "missing", "account": wallet(options), "at": options.at}


async def _prices(tx: Tx, options: Namespace) -> Answer:
    book: PriceBook = options.book
    added = await add_book(tx.conn, book, options.since)
    if added:
        await receipts.publish_prices(tx)
    return {"outcome": "added" if added else "refused", "version": book.version}


async def _rebuild(tx: Tx, _options: Namespace) -> Answer:
    return {"outcome": "rebuilt", "wrong": await accounts.rebuild(tx.conn)}


async def _receive(tx: Tx, options: Namespace, receipt: Receipt) -> Answer:
    return _answer(await receipts.receive_credits(tx, receipt), receipt=options.receipt)


def _came_in(options: Namespace) -> tuple[str, str, str, int, str, str | None]:
    cause = f"receipt:{options.receipt}"
    return cause, options.tenant, wallet(options), options.credits, options.actor, options.reason


def _correction(options: Namespace, target: str) -> Correction:
    return Correction(options.receipt, options.tenant, target, options.credits, options.actor, options.reason)


def _answer(moved: Movement, **names: str) -> Answer:
    return {
        "outcome": moved.outcome,
        "account": moved.wallet,
        **names,
        "credits": moved.credits,
        "balance": moved.balance,
        "held": moved.held,
        "available": moved.available,
    }


_COMING_IN = (given.TENANT, given.DEVICE, given.CREDITS, given.RECEIPT, given.ACTOR, given.REASON)

VERBS: Mapping[str, Verb] = {
    "grant": Verb("give credits, once per receipt", _COMING_IN, _grant),
    "topup": Verb("book credits that were paid for, once per receipt", _COMING_IN, _topup),
    "promote": Verb("give credits until a day, once per receipt", (*_COMING_IN, given.UNTIL), _promote),
    "refund": Verb(
        "give back credits of a charged job, once per receipt",
        (given.TENANT, given.JOB, given.CREDITS, given.RECEIPT, given.ACTOR, given.WHY),
        _refund,
    ),
    "adjust": Verb(
        "put a balance right, once per receipt",
        (given.TENANT, given.DEVICE, given.CHANGE, given.RECEIPT, given.ACTOR, given.WHY),
        _adjust,
    ),
    "promise": Verb(
        "set aside what a device may promise while offline",
        (given.TENANT, given.DEVICE, given.PROMISE, given.CREDITS, given.UNTIL),
        _promise,
    ),
    "draw": Verb(
        "hold a job's price out of a promise",
        (given.TENANT, given.PROMISE, given.JOB, given.CREDITS, given.UNTIL),
        _draw,
    ),
    "settle": Verb("end a promise", (given.TENANT, given.PROMISE, given.REASON), _settle),
    "low-balance": Verb("say when a low balance is told", (given.TENANT, given.DEVICE, given.LOW_AT), _low),
    "prices": Verb("keep a new price book, sold from a time on", (given.BOOK, given.FROM), _prices),
    "rebuild": Verb("make the balances anew from the entries", (), _rebuild),
    **STRIPE_VERBS,
}
