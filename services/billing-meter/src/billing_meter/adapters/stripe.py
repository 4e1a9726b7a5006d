"""Stripe's API. Every call is made once: the caller decides whether to repeat it."""

from collections.abc import Awaitable
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import aiohttp
import stripe
from stripe import AIOHTTPClient, StripeClient

from billing_meter.domain.stripe import Subscription, is_refunded, is_withdrawn
from billing_meter.domain.stripe_objects import (
    Checkout,
    Invoice,
    Payment,
    PaymentState,
    Purchase,
    RefundedCharge,
    StripeRefused,
    StripeUnavailable,
    Usage,
    UsageError,
    UsageErrors,
)

API_VERSION = "2026-10-28.endive"
TIMEOUT_S = 20.0
DUPLICATE_USAGE = "duplicate_meter_event"

_PAGE = 100  # the most there can be in one
_CONFLICT = 409  # the first call with this key is still under way
_SERVER_ERROR = 500

_PAYMENT_STATES = {"succeeded": PaymentState.SUCCEEDED, "processing": PaymentState.PROCESSING}

T = TypeVar("T")


class Stripe:
    """The calls that we make. Each may raise `StripeRefused` or `StripeUnavailable`.

    Args:
        session: where connections come from; its owner closes it.
        key: the secret key.
        base: where the API is.
        meter: the id of the meter, and the name of its events.
    """

    def __init__(self, session: aiohttp.ClientSession, key: str, base: str, meter: tuple[str, str]) -> None:
        stripe.enable_telemetry = False
        self._meter_id, self._event_name = meter
        self._client = StripeClient(
            key,
            stripe_version=API_VERSION,
            base_addresses={"api": base},
            max_network_retries=0,
            http_client=AIOHTTPClient(timeout=TIMEOUT_S, session=session),
        )

    async def create_customer(self, tenant_id: str) -> str:
        """Create a customer by its pseudonym (names and addresses are entered at Stripe); return its id."""
        made = await _called(
            self._client.v1.customers.create_async(
                {"description": tenant_id, "metadata": {"tenant": tenant_id}}, {"idempotency_key": f"cus-{tenant_id}"}
            )
        )
        return made.id

    async def create_subscription(self, key: str, customer_id: str, price_id: str) -> Subscription:
        """Subscribe the customer to a price."""
        made = await _called(
            self._client.v1.subscriptions.create_async(
                {"customer": customer_id, "items": [{"price": price_id}]}, {"idempotency_key": key}
            )
        )
        return _subscription(made)

    async def subscription(self, subscription_id: str) -> Subscription:
        """Return a subscription as it stands now."""
        return _subscription(await _called(self._client.v1.subscriptions.retrieve_async(subscription_id)))

    async def invoice(self, invoice_id: str) -> Invoice:
        """Return an invoice as it stands now."""
        found = await _called(self._client.v1.invoices.retrieve_async(invoice_id))
        details = found.parent.subscription_details if found.parent else None
        return Invoice(
            found.id,
            _id(found.customer) or "",
            found.status == "paid",
            found.billing_reason,
            _id(details.subscription) if details else None,
        )

    async def open_checkout(self, purchase: Purchase, return_url: str) -> Checkout:
        """Create a page where the top-up can be paid; the card is kept for automatic ones."""
        made = await _called(
            self._client.v1.checkout.sessions.create_async(
                {
                    "mode": "payment",
                    "customer": purchase.customer_id,
                    "client_reference_id": purchase.topup_id,
                    "success_url": return_url,
                    "line_items": [
                        {
                            "quantity": 1,
                            "price_data": {
                                "currency": "usd",
                                "unit_amount": purchase.usd_cents,
                                "product_data": {"name": "Closet credits"},
                            },
                        }
                    ],
                    "payment_intent_data": {
                        "setup_future_usage": "off_session",
                        "metadata": {"topup": purchase.topup_id},
                    },
                },
                {"idempotency_key": purchase.key},
            )
        )
        return _checkout(made)

    async def checkout(self, checkout_id: str) -> Checkout:
        """Return a checkout as it stands now."""
        return _checkout(await _called(self._client.v1.checkout.sessions.retrieve_async(checkout_id)))

    async def pay_off_session(self, purchase: Purchase, method_id: str) -> Payment:
        """Charge a top-up to a method that was used before; `StripeRefused` if the card is declined."""
        made = await _called(
            self._client.v1.payment_intents.create_async(
                {
                    "amount": purchase.usd_cents,
                    "currency": "usd",
                    "customer": purchase.customer_id,
                    "payment_method": method_id,
                    "off_session": True,
                    "confirm": True,
                    "metadata": {"topup": purchase.topup_id},
                },
                {"idempotency_key": purchase.key},
            )
        )
        return _payment(made)

    async def payment(self, payment_id: str) -> Payment:
        """Return a payment as it stands now."""
        return _payment(await _called(self._client.v1.payment_intents.retrieve_async(payment_id)))

    async def refund(self, key: str, payment_id: str, usd_cents: int) -> str:
        """Refund money of a payment; return the refund's id."""
        made = await _called(
            self._client.v1.refunds.create_async(
                {"payment_intent": payment_id, "amount": usd_cents}, {"idempotency_key": key}
            )
        )
        return made.id

    async def credit_note(self, key: str, invoice_id: str, usd_cents: int) -> str:
        """Correct a paid invoice, to the customer's balance at Stripe; return the note's id."""
        made = await _called(
            self._client.v1.credit_notes.create_async(
                {"invoice": invoice_id, "amount": usd_cents, "credit_amount": usd_cents}, {"idempotency_key": key}
            )
        )
        return made.id

    async def refunded_charge(self, charge_id: str) -> RefundedCharge:
        """Return a charge with its refunds that did not fail and its disputes that we have not won."""
        charge = await _called(self._client.v1.charges.retrieve_async(charge_id))
        refunds = await _called(self._client.v1.refunds.list_async({"charge": charge_id, "limit": _PAGE}))
        disputes = await _called(self._client.v1.disputes.list_async({"charge": charge_id, "limit": _PAGE}))
        refunded = [one.amount for one in await _all(refunds) if is_refunded(one.status)]
        disputed = [one.amount for one in await _all(disputes) if is_withdrawn(one.status)]
        return _refunded_charge(charge, sum(refunded) + sum(disputed))

    async def charge_of_refund(self, refund_id: str) -> RefundedCharge | None:
        """Return the charge of a refund; None for a refund without one."""
        found = await _called(self._client.v1.refunds.retrieve_async(refund_id))
        charge_id = _id(found.charge)
        return await self.refunded_charge(charge_id) if charge_id else None

    async def charge_of_dispute(self, dispute_id: str) -> RefundedCharge:
        """Return the charge of a dispute."""
        found = await _called(self._client.v1.disputes.retrieve_async(dispute_id))
        return await self.refunded_charge(_id(found.charge) or "")

    async def send_usage(self, key: str, usage: Usage) -> None:
        """Send usage to the meter."""
        await _called(
            self._client.v1.billing.meter_events.create_async(
                {
                    "event_name": self._event_name,
                    "identifier": usage.usage_id,
                    "timestamp": int(usage.at.timestamp()),
                    "payload": {"stripe_customer_id": usage.customer_id, "value": str(usage.credits)},
                },
                {"idempotency_key": key},
            )
        )

    async def usage_of(self, customer_id: str, day: date) -> int:
        """Return what the meter counted for the customer on that day, in UTC."""
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        end = start + timedelta(days=1)
        found = await _called(
            self._client.v1.billing.meters.event_summaries.list_async(
                self._meter_id,
                {
                    "customer": customer_id,
                    "start_time": int(start.timestamp()),
                    "end_time": int(end.timestamp()),
                    "value_grouping_window": "day",
                },
            )
        )
        return sum(int(one.aggregated_value) for one in await _all(found))

    async def usage_errors(self, event_id: str) -> UsageErrors:
        """Return what a report of errors says; the event itself comes without it."""
        event: Any = await _called(self._client.v2.core.events.retrieve_async(event_id))
        return UsageErrors(
            [
                UsageError(sample.request.identifier, kind.code)
                for kind in event.data.reason.error_types
                for sample in kind.sample_errors
            ]
        )


async def _called(call: Awaitable[T]) -> T:
    try:
        return await call
    except (stripe.APIConnectionError, stripe.RateLimitError, aiohttp.ClientError, TimeoutError) as error:
        raise StripeUnavailable(type(error).__name__) from error
    except stripe.StripeError as error:
        status = error.http_status or _SERVER_ERROR
        if status >= _SERVER_ERROR or status == _CONFLICT:
            raise StripeUnavailable(f"HTTP {status}") from error
        raise StripeRefused(error.code or type(error).__name__, error.user_message or f"HTTP {status}") from error


def _id(reference: Any) -> str | None:  # noqa: ANN401 an id, or the object itself where it was expanded
    return reference if reference is None or isinstance(reference, str) else str(reference.id)


def _subscription(found: stripe.Subscription) -> Subscription:
    prices = [item.price.id for item in found["items"].data]
    return Subscription(found.id, _id(found.customer) or "", found.status, prices[0] if prices else None)


def _checkout(found: stripe.checkout.Session) -> Checkout:
    paid = found.payment_status == "paid"
    return Checkout(found.id, found.client_reference_id, found.url, paid, _id(found.payment_intent))


def _payment(found: stripe.PaymentIntent) -> Payment:
    state = _PAYMENT_STATES.get(found.status, PaymentState.INCOMPLETE)
    return Payment(found.id, state, found.status, _id(found.payment_method))


async def _all(first: Any) -> list[Any]:  # noqa: ANN401 a list of any kind of object
    """Return the objects of every page."""
    found: list[Any] = []
    page = first
    while True:
        found += page.data
        if not page.has_more:
            return found
        page = await _called(page.next_page_async())


def _refunded_charge(charge: stripe.Charge, returned: int) -> RefundedCharge:
    # A charge has the metadata of its payment.
    topup_id = charge.to_dict().get("metadata", {}).get("topup")
    return RefundedCharge(charge.id, _id(charge.payment_intent), topup_id, charge.amount, returned)
