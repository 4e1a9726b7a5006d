"""The operator's verbs about Stripe: most are queued, and the service does them."""

from argparse import Namespace
from collections.abc import Mapping

from closet_messaging.transaction import Tx

from billing_meter.admin import options as option
from billing_meter.admin.options import wallet
from billing_meter.admin.verb import Answer, Verb, VerbOutcome
from billing_meter.domain.stripe import WorkKind
from billing_meter.handlers.stripe import open_topup
from billing_meter.store import customers, stripe_work, topups
from billing_meter.store.stripe_work import NewWorkItem


async def _checkout(tx: Tx, options: Namespace) -> Answer:
    topup = await open_topup(tx, options.tenant, wallet(options), options.credits)
    if topup is None:
        raise RuntimeError("a checkout is never refused")
    fields = {"topup": topup.topup_id, "credits": topup.credits, "usdCents": topup.usd_cents}
    return Answer(VerbOutcome.QUEUED, fields)


async def _show_topup(tx: Tx, options: Namespace) -> Answer:
    topup = await topups.read(tx.conn, options.topup)
    if topup is None:
        return Answer(VerbOutcome.MISSING, {"topup": options.topup})
    fields = {
        "topup": topup.topup_id,
        "account": topup.wallet,
        "credits": topup.credits,
        "state": topup.state,
        "url": topup.url,
        "payment": topup.payment_id,
        "reversed": topup.reversed,
    }
    return Answer(VerbOutcome.KNOWN, fields)


async def _auto_topup(tx: Tx, options: Namespace) -> Answer:
    await customers.set_automatic_topup(tx.conn, options.tenant, options.below, options.credits)
    fields = {"tenant": options.tenant, "below": options.below, "credits": options.credits}
    return Answer(VerbOutcome.SET, fields)


async def _no_auto_topup(tx: Tx, options: Namespace) -> Answer:
    await customers.set_automatic_topup(tx.conn, options.tenant, None, None)
    return Answer(VerbOutcome.SET, {"tenant": options.tenant})


async def _meter(tx: Tx, options: Namespace) -> Answer:
    await customers.set_metered(tx.conn, options.tenant, on=options.on)
    return Answer(VerbOutcome.SET, {"tenant": options.tenant, "metered": options.on})


async def _subscribe(tx: Tx, options: Namespace) -> Answer:
    body = {"price": options.price}
    return await _queue(tx, NewWorkItem(f"subscription:{options.receipt}", WorkKind.SUBSCRIPTION, options.tenant, body))


async def _refund_payment(tx: Tx, options: Namespace) -> Answer:
    body = {"topup": options.topup, "usd_cents": options.usd_cents}
    return await _queue(tx, NewWorkItem(f"refund:{options.receipt}", WorkKind.REFUND, options.tenant, body))


async def _credit_note(tx: Tx, options: Namespace) -> Answer:
    body = {"invoice": options.invoice, "usd_cents": options.usd_cents}
    return await _queue(tx, NewWorkItem(f"credit-note:{options.receipt}", WorkKind.CREDIT_NOTE, options.tenant, body))


async def _failed(tx: Tx, _options: Namespace) -> Answer:
    return Answer(VerbOutcome.KNOWN, {"work": await stripe_work.failed(tx.conn, _LIMIT)})


async def _retry(tx: Tx, options: Namespace) -> Answer:
    is_queued = await stripe_work.retry(tx.conn, options.work)
    return Answer(VerbOutcome.QUEUED if is_queued else VerbOutcome.MISSING, {"work": options.work})


async def _queue(tx: Tx, new: NewWorkItem) -> Answer:
    is_new = await stripe_work.add(tx.conn, new)
    return Answer(VerbOutcome.QUEUED if is_new else VerbOutcome.KNOWN, {"work": new.work_id})


_LIMIT = 500
_MONEY = (option.TENANT, option.CENTS, option.RECEIPT)

STRIPE_VERBS: Mapping[str, Verb] = {
    "checkout": Verb("open a page where credits are paid", (option.TENANT, option.DEVICE, option.CREDITS), _checkout),
    "show-topup": Verb("show a purchase and its page", (option.TOPUP,), _show_topup),
    "auto-topup": Verb(
        "buy credits whenever fewer are available", (option.TENANT, option.BELOW, option.CREDITS), _auto_topup
    ),
    "no-auto-topup": Verb("stop automatic top-ups", (option.TENANT,), _no_auto_topup),
    "meter": Verb("send a tenant's usage to Stripe's meter", (option.TENANT, option.ON), _meter),
    "subscribe": Verb("subscribe a tenant to a plan", (option.TENANT, option.PLAN, option.RECEIPT), _subscribe),
    "refund-payment": Verb("refund money of a top-up", (*_MONEY, option.TOPUP), _refund_payment),
    "credit-note": Verb("correct an invoice", (*_MONEY, option.INVOICE), _credit_note),
    "failed": Verb("show what failed at Stripe or is ambiguous", (), _failed),
    "retry": Verb("do again what failed or is ambiguous", (option.WORK,), _retry),
}
