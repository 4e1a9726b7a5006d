"""The operator's verbs that Stripe has a part in: they are queued, and the service does them."""

from argparse import Namespace
from collections.abc import Mapping

from closet_messaging.transaction import Tx

from billing_meter.admin import options as given
from billing_meter.admin.options import wallet
from billing_meter.admin.verb import Answer, Verb
from billing_meter.handlers.stripe import open_topup
from billing_meter.store import customers, topups, work
from billing_meter.store.work import NewWork


async def _checkout(tx: Tx, options: Namespace) -> Answer:
    topup = await open_topup(tx, options.tenant, wallet(options), options.credits)
    if topup is None:
        raise RuntimeError("a checkout is never refused")
    return {"outcome": "queued", "topup": topup.topup_id, "credits": topup.credits, "usdCents": topup.usd_cents}


async def _show_topup(tx: Tx, options: Namespace) -> Answer:
    topup = await topups.read(tx.conn, options.topup)
    if topup is None:
        return {"outcome": "missing", "topup": options.topup}
    return {
        "outcome": "known",
        "topup": topup.topup_id,
        "account": topup.wallet,
        "credits": topup.credits,
        "state": topup.state,
        "url": topup.url,
        "payment": topup.payment_id,
        "reversed": topup.reversed,
    }


async def _auto_topup(tx: Tx, options: Namespace) -> Answer:
    await customers.set_automatic_topup(tx.conn, options.tenant, options.below, options.credits)
    return {"outcome": "set", "tenant": options.tenant, "below": options.below, "credits": options.credits}


async def _no_auto_topup(tx: Tx, options: Namespace) -> Answer:
    await customers.set_automatic_topup(tx.conn, options.tenant, None, None)
    return {"outcome": "set", "tenant": options.tenant}


async def _meter(tx: Tx, options: Namespace) -> Answer:
    await customers.set_metered(tx.conn, options.tenant, on=options.on)
    return {"outcome": "set", "tenant": options.tenant, "metered": options.on}


async def _subscribe(tx: Tx, options: Namespace) -> Answer:
    body = {"price": options.price}
    return await _queue(tx, NewWork(f"subscription:{options.receipt}", "subscription", options.tenant, body))


async def _refund_payment(tx: Tx, options: Namespace) -> Answer:
    body = {"topup": options.topup, "usd_cents": options.usd_cents}
    return await _queue(tx, NewWork(f"refund:{options.receipt}", "refund", options.tenant, body))


async def _credit_note(tx: Tx, options: Namespace) -> Answer:
    body = {"invoice": options.invoice, "usd_cents": options.usd_cents}
    return await _queue(tx, NewWork(f"credit-note:{options.receipt}", "credit_note", options.tenant, body))


async def _stuck(tx: Tx, _options: Namespace) -> Answer:
    return {"outcome": "known", "work": await work.stuck(tx.conn, _MOST)}


async def _again(tx: Tx, options: Namespace) -> Answer:
    is_stuck = await work.again(tx.conn, options.work)
    return {"outcome": "queued" if is_stuck else "missing", "work": options.work}


async def _queue(tx: Tx, new: NewWork) -> Answer:
    return {"outcome": "queued" if await work.add(tx.conn, new) else "known", "work": new.work_id}


_MOST = 500
_MONEY = (given.TENANT, given.CENTS, given.RECEIPT)

STRIPE_VERBS: Mapping[str, Verb] = {
    "checkout": Verb("open a page where credits are paid", (given.TENANT, given.DEVICE, given.CREDITS), _checkout),
    "show-topup": Verb("show how a purchase stands, and its page", (given.TOPUP,), _show_topup),
    "auto-topup": Verb("buy credits whenever few are left", (given.TENANT, given.BELOW, given.CREDITS), _auto_topup),
    "no-auto-topup": Verb("buy no more credits by itself", (given.TENANT,), _no_auto_topup),
    "meter": Verb("tell Stripe's meter of what is captured", (given.TENANT, given.ON), _meter),
    "subscribe": Verb("subscribe a tenant to a plan", (given.TENANT, given.PLAN, given.RECEIPT), _subscribe),
    "refund-payment": Verb("give back money of a top-up", (*_MONEY, given.TOPUP), _refund_payment),
    "credit-note": Verb("correct an invoice", (*_MONEY, given.INVOICE), _credit_note),
    "stuck": Verb("show what failed at Stripe or is doubtful", (), _stuck),
    "again": Verb("have something that is stuck done anew", (given.WORK,), _again),
}
