"""The API: customers, subscriptions, payments, and what became of them."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from closet_devstack.sandbox.stripe import subscriptions
from closet_devstack.sandbox.stripe.errors import StripeError, answer, invalid
from closet_devstack.sandbox.stripe.forms import nested, number, text
from closet_devstack.sandbox.stripe.webhooks import Webhooks
from closet_devstack.sandbox.stripe.world import Object, World

Call = Callable[[web.Request], Awaitable[web.Response]]


def add_routes(app: web.Application, world: World, webhooks: Webhooks) -> None:
    """The endpoints, and for each kind of object the one that reads it."""
    app.router.add_post("/v1/customers", _posted(_customer, world, webhooks))
    app.router.add_post("/v1/subscriptions", _posted(_subscription, world, webhooks))
    app.router.add_post("/v1/checkout/sessions", _posted(_checkout, world, webhooks))
    app.router.add_post("/v1/payment_intents", _posted(_payment, world, webhooks))
    app.router.add_post("/v1/refunds", _posted(_refund, world, webhooks))
    app.router.add_post("/v1/credit_notes", _posted(_credit_note, world, webhooks))
    for path in ("refunds", "disputes"):
        app.router.add_get(f"/v1/{path}", _list(world, _READ[path]))
    for path, kind in _READ.items():
        app.router.add_get(f"/v1/{path}/{{id}}", _read(world, kind))


_READ = {
    "customers": "customer",
    "subscriptions": "subscription",
    "invoices": "invoice",
    "checkout/sessions": "checkout.session",
    "payment_intents": "payment_intent",
    "charges": "charge",
    "disputes": "dispute",
    "refunds": "refund",
}

Create = Callable[[World, Webhooks, web.Request, dict[str, Any]], Object]


def _posted(create: Create, world: World, webhooks: Webhooks) -> Call:
    async def post(request: web.Request) -> web.Response:
        fields = [(name, value) for name, value in (await request.post()).items() if isinstance(value, str)]
        return answer(create(world, webhooks, request, nested(fields)))

    return post


def _read(world: World, kind: str) -> Call:
    async def read(request: web.Request) -> web.Response:
        return answer(world.find(kind, request.match_info["id"]))

    return read


def _list(world: World, kind: str) -> Call:
    """Those of a charge, the newest first, a page after the object named by `starting_after`."""

    async def list_(request: web.Request) -> web.Response:
        query = request.query
        found = [one for one in world.of_kind(kind) if one["charge"] == query.get("charge", one["charge"])][::-1]
        ids = [one["id"] for one in found]
        start = ids.index(query["starting_after"]) + 1 if "starting_after" in query else 0
        end = start + min(int(query.get("limit", 10)), world.settings.largest_page)
        return answer({"object": "list", "data": found[start:end], "has_more": end < len(found), "url": request.path})

    return list_


def _customer(world: World, _webhooks: Webhooks, _request: web.Request, form: dict[str, Any]) -> Object:
    return world.create("cus", "customer", description=form.get("description"), metadata=form.get("metadata", {}))


def _subscription(world: World, webhooks: Webhooks, _request: web.Request, form: dict[str, Any]) -> Object:
    customer = world.find("customer", text(form, "customer"))
    price = form.get("items", {}).get("0", {}).get("price")
    if price not in world.settings.prices:
        raise invalid(f"No such price: '{price}'", "resource_missing")
    return subscriptions.create(world, webhooks, customer["id"], price)


def _checkout(world: World, _webhooks: Webhooks, request: web.Request, form: dict[str, Any]) -> Object:
    customer = world.find("customer", text(form, "customer"))
    if text(form, "mode") != "payment":
        raise invalid("The sandbox knows payments only.")
    line = form.get("line_items", {}).get("0", {})
    total = number(line, "quantity") * number(line.get("price_data", {}), "unit_amount")
    session = world.create(
        "cs",
        "checkout.session",
        mode="payment",
        customer=customer["id"],
        client_reference_id=form.get("client_reference_id"),
        success_url=text(form, "success_url"),
        amount_total=total,
        currency="usd",
        payment_status="unpaid",
        payment_intent=None,
        status="open",
        payment_metadata=form.get("payment_intent_data", {}).get("metadata", {}),
    )
    session["url"] = f"{request.scheme}://{request.host}/_sandbox/pay/{session['id']}"
    return session


def _payment(world: World, webhooks: Webhooks, request: web.Request, form: dict[str, Any]) -> Object:
    """Off the session, with a method that was used before."""
    customer = world.find("customer", text(form, "customer"))
    if request["declined"]:
        raise StripeError(402, "card_error", "Your card was declined.", "card_declined")
    method, metadata = text(form, "payment_method"), form.get("metadata", {})
    payment = paid(world, customer["id"], number(form, "amount"), method, metadata)
    webhooks.send(world.tell("payment_intent.succeeded", payment))
    return payment


def paid(world: World, customer: str, amount: int, method: str, metadata: Object) -> Object:
    """A payment that succeeded, with its charge, which has the same metadata."""
    payment = world.create(
        "pi",
        "payment_intent",
        amount=amount,
        amount_received=amount,
        currency="usd",
        customer=customer,
        payment_method=method,
        metadata=metadata,
        status="succeeded",
    )
    charge = world.create(
        "ch",
        "charge",
        amount=amount,
        amount_refunded=0,
        currency="usd",
        customer=customer,
        payment_intent=payment["id"],
        metadata=metadata,
        paid=True,
        refunded=False,
        status="succeeded",
    )
    payment["latest_charge"] = charge["id"]
    return payment


def _refund(world: World, webhooks: Webhooks, _request: web.Request, form: dict[str, Any]) -> Object:
    payment = world.find("payment_intent", text(form, "payment_intent"))
    charge = world.find("charge", payment["latest_charge"])
    left = charge["amount"] - charge["amount_refunded"]
    amount = number(form, "amount") if "amount" in form else left
    if not 0 < amount <= left:
        raise invalid(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})")
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    refund = world.create(
        "re", "refund", amount=amount, charge=charge["id"], payment_intent=payment["id"], status="succeeded"
    )
    webhooks.send(world.tell("charge.refunded", charge))
    return refund


def _credit_note(world: World, _webhooks: Webhooks, _request: web.Request, form: dict[str, Any]) -> Object:
    invoice = world.find("invoice", text(form, "invoice"))
    amount = number(form, "amount")
    if not 0 < amount <= invoice["amount_paid"]:
        raise invalid("The credit note is for more than the invoice.")
    return world.create("cn", "credit_note", invoice=invoice["id"], amount=amount, status="issued")
