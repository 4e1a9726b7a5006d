"""`/_sandbox/`: a test's hand on Stripe. Without its key, and not counted."""

from collections import Counter
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from closet_devstack.sandbox.stripe import subscriptions
from closet_devstack.sandbox.stripe.api import paid
from closet_devstack.sandbox.stripe.errors import answer
from closet_devstack.sandbox.stripe.settings import Fault, Settings
from closet_devstack.sandbox.stripe.webhooks import Webhooks
from closet_devstack.sandbox.stripe.world import World


class _Change(BaseModel):
    subscription: str
    status: str


class _Bill(BaseModel):
    subscription: str
    paid: bool


class _Dispute(BaseModel):
    payment_intent: str
    amount: int
    status: str = "needs_response"


class _Became(BaseModel):
    id: str
    status: str


class Control:
    """The handlers."""

    def __init__(self, world: World, webhooks: Webhooks) -> None:
        self._world = world
        self._webhooks = webhooks

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/_sandbox/ready", self.ready)
        app.router.add_post("/_sandbox/reset", self.reset)
        app.router.add_get("/_sandbox/stats", self.stats)
        app.router.add_get("/_sandbox/objects", self.objects)
        app.router.add_patch("/_sandbox/settings", self.change_settings)
        app.router.add_post("/_sandbox/faults", self.add_fault)
        app.router.add_post("/_sandbox/pay/{id}", self.pay)
        app.router.add_post("/_sandbox/bill", self.bill)
        app.router.add_post("/_sandbox/change", self.change)
        app.router.add_post("/_sandbox/dispute", self.dispute)
        app.router.add_post("/_sandbox/dispute-status", self.change_dispute)
        app.router.add_post("/_sandbox/refund-status", self.change_refund)
        app.router.add_post("/_sandbox/webhooks", self.release)

    async def ready(self, request: web.Request) -> web.Response:
        """Only for those who know the key: whoever started this one can tell it from another."""
        if request.headers.get("Authorization") != f"Bearer {self._world.settings.api_key}":
            raise web.HTTPForbidden
        return web.Response()

    async def reset(self, _request: web.Request) -> web.Response:
        """As it was at its start; webhooks under way are dropped."""
        await self._webhooks.drop()
        self._world.reset()
        return web.Response()

    async def stats(self, _request: web.Request) -> web.Response:
        """How often each endpoint was called, and how much of each kind there is."""
        kinds = Counter(one["object"] for one in self._world.objects.values())
        usage = self._world.usage
        return answer(
            {
                "calls": dict(self._world.calls),
                "objects": dict(kinds),
                "usage": len(usage),
                "identifiers": len({one.identifier for one in usage}),
                "credits": sum(one.value for one in usage),
                "events": len(self._world.events),
            }
        )

    async def objects(self, request: web.Request) -> web.Response:
        """All of a kind."""
        return answer({"data": self._world.of_kind(request.query["kind"])})

    async def change_settings(self, request: web.Request) -> web.Response:
        """Those named in the body; the rest stay."""
        changed = {**self._world.settings.model_dump(), **orjson.loads(await request.read())}
        self._world.settings = _understood(Settings, changed)
        return web.Response()

    async def add_fault(self, request: web.Request) -> web.Response:
        self._world.faults.append(_understood(Fault, orjson.loads(await request.read())))
        return web.Response()

    async def pay(self, request: web.Request) -> web.Response:
        """What a person does on the page of a checkout."""
        session = self._world.find("checkout.session", request.match_info["id"])
        method, metadata = self._world.new_id("pm"), session["payment_metadata"]
        payment = paid(self._world, session["customer"], session["amount_total"], method, metadata)
        session.update(payment_status="paid", status="complete", payment_intent=payment["id"])
        self._webhooks.send(self._world.tell("checkout.session.completed", session))
        return answer(session)

    async def bill(self, request: web.Request) -> web.Response:
        """A subscription's next period begins."""
        asked = _understood(_Bill, orjson.loads(await request.read()))
        subscription = self._world.find("subscription", asked.subscription)
        invoice = subscriptions.bill(
            self._world, self._webhooks, subscription, "subscription_cycle", is_paid=asked.paid
        )
        return answer(invoice)

    async def change(self, request: web.Request) -> web.Response:
        asked = _understood(_Change, orjson.loads(await request.read()))
        subscription = self._world.find("subscription", asked.subscription)
        subscriptions.change(self._world, self._webhooks, subscription, asked.status)
        return answer(subscription)

    async def dispute(self, request: web.Request) -> web.Response:
        """The payer asks the bank for the money."""
        asked = _understood(_Dispute, orjson.loads(await request.read()))
        charge = self._world.find("payment_intent", asked.payment_intent)["latest_charge"]
        dispute = self._world.create(
            "dp",
            "dispute",
            amount=asked.amount,
            charge=charge,
            payment_intent=asked.payment_intent,
            status=asked.status,
        )
        self._webhooks.send(self._world.tell("charge.dispute.created", dispute))
        return answer(dispute)

    async def change_dispute(self, request: web.Request) -> web.Response:
        """The bank decides: `won` gives the money back, `lost` and `warning_closed` move none."""
        asked = _understood(_Became, orjson.loads(await request.read()))
        dispute = self._world.find("dispute", asked.id)
        dispute["status"] = asked.status
        if asked.status in {"won", "lost", "warning_closed", "prevented"}:
            self._webhooks.send(self._world.tell("charge.dispute.closed", dispute))
        else:
            self._webhooks.send(self._world.tell("charge.dispute.updated", dispute))
        if asked.status == "won":
            self._webhooks.send(self._world.tell("charge.dispute.funds_reinstated", dispute))
        return answer(dispute)

    async def change_refund(self, request: web.Request) -> web.Response:
        """The payer's bank does not take the money, or we call it back: it is ours again."""
        asked = _understood(_Became, orjson.loads(await request.read()))
        refund = self._world.find("refund", asked.id)
        if asked.status in {"failed", "canceled"} and refund["status"] not in {"failed", "canceled"}:
            charge = self._world.find("charge", refund["charge"])
            charge.update(amount_refunded=charge["amount_refunded"] - refund["amount"], refunded=False)
        refund["status"] = asked.status
        kinds = ["refund.updated", "charge.refund.updated", *(["refund.failed"] if asked.status == "failed" else [])]
        for kind in kinds:
            self._webhooks.send(self._world.tell(kind, refund))
        return answer(refund)

    async def release(self, _request: web.Request) -> web.Response:
        """Send the webhooks that wait."""
        return answer({"sent": self._webhooks.release()})


def _understood(model: type[Any], document: dict[str, Any]) -> Any:  # noqa: ANN401 an instance of the model
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise web.HTTPUnprocessableEntity(text=str(error)) from None
