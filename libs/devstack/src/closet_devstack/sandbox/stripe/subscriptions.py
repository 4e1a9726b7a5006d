"""Subscriptions, whose periods begin when a test says so."""

from closet_devstack.sandbox.stripe.webhooks import Webhooks
from closet_devstack.sandbox.stripe.world import Object, World

_MONTH_S = 30 * 24 * 3600
_AMOUNT = 9900


def create(world: World, webhooks: Webhooks, customer: str, price: str) -> Object:
    """A subscription whose first invoice is paid."""
    subscription = world.create("sub", "subscription", customer=customer, status="active", cancel_at_period_end=False)
    item = {
        "id": world.new_id("si"),
        "object": "subscription_item",
        "quantity": 1,
        "price": {"id": price, "object": "price", "currency": "usd", "unit_amount": _AMOUNT},
        "current_period_start": world.now(),
        "current_period_end": world.now() + _MONTH_S,
    }
    subscription["items"] = {"object": "list", "data": [item], "has_more": False, "url": "/v1/subscription_items"}
    webhooks.send(world.tell("customer.subscription.created", subscription))
    bill(world, webhooks, subscription, "subscription_create", is_paid=True)
    return subscription


def bill(world: World, webhooks: Webhooks, subscription: Object, reason: str, *, is_paid: bool) -> Object:
    """An invoice of the subscription, which is paid or not; that decides how the subscription stands."""
    invoice = world.create(
        "in",
        "invoice",
        customer=subscription["customer"],
        billing_reason=reason,
        currency="usd",
        amount_due=_AMOUNT,
        amount_paid=_AMOUNT if is_paid else 0,
        status="paid" if is_paid else "open",
        parent={
            "type": "subscription_details",
            "subscription_details": {"subscription": subscription["id"], "metadata": {}},
            "quote_details": None,
        },
    )
    change(world, webhooks, subscription, "active" if is_paid else "past_due")
    for kind in ("invoice.paid", "invoice.payment_succeeded") if is_paid else ("invoice.payment_failed",):
        webhooks.send(world.tell(kind, invoice))
    return invoice


def change(world: World, webhooks: Webhooks, subscription: Object, status: str) -> None:
    """The subscription stands otherwise from now on."""
    if subscription["status"] != status:
        subscription["status"] = status
        kind = "customer.subscription.deleted" if status == "canceled" else "customer.subscription.updated"
        webhooks.send(world.tell(kind, subscription))
