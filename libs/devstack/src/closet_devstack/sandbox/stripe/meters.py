"""Billing meters: usage is taken once by its identifier, and summed up by customer and time."""

from aiohttp import web

from closet_devstack.sandbox.stripe.errors import answer, invalid, missing
from closet_devstack.sandbox.stripe.forms import nested, number, text
from closet_devstack.sandbox.stripe.webhooks import Webhooks
from closet_devstack.sandbox.stripe.world import Object, Usage, World

_OLDEST_S = 35 * 24 * 3600
_AHEAD_S = 300
_DAY_S = 24 * 3600


class Meters:
    """The handlers."""

    def __init__(self, world: World, webhooks: Webhooks) -> None:
        self._world = world
        self._webhooks = webhooks

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/billing/meter_events", self.take)
        app.router.add_get("/v1/billing/meters/{id}/event_summaries", self.summaries)
        app.router.add_get("/v2/core/events/{id}", self.event)

    async def take(self, request: web.Request) -> web.Response:
        """Usage. Whether it can be used is told later, by an event."""
        world = self._world
        form = nested((name, value) for name, value in (await request.post()).items() if isinstance(value, str))
        if text(form, "event_name") != world.settings.meter_event_name:
            raise invalid(f"No active meter found for event name {form['event_name']}", "no_meter")
        usage = _usage(form, world.now())
        if any(usage.identifier == one.identifier for one in world.usage):
            raise invalid(f"An event already exists with identifier {usage.identifier}.", "duplicate_meter_event")
        if usage.customer in world.objects:
            world.usage.append(usage)
        else:
            self._webhooks.send(self._report(request, usage))
        return answer({"object": "billing.meter_event", "created": world.now(), "livemode": False, **form})

    async def summaries(self, request: web.Request) -> web.Response:
        """By days, without those on which nothing was used."""
        if request.match_info["id"] != self._world.settings.meter_id:
            raise missing("billing.meter", request.match_info["id"])
        query = dict(request.query)
        start, end = number(query, "start_time"), number(query, "end_time")
        if query.get("value_grouping_window") != "day" or start % _DAY_S or end % _DAY_S:
            raise invalid("start_time and end_time must be aligned with UTC day boundaries")
        days = [self._summary(text(query, "customer"), day) for day in range(start, end, _DAY_S)]
        return answer({"object": "list", "data": [one for one in days if one], "has_more": False, "url": request.path})

    def _summary(self, customer: str, day: int) -> Object | None:
        values = [one.value for one in self._world.usage if one.customer == customer and day <= one.at < day + _DAY_S]
        return (
            {
                "id": f"mtrusg_{customer}_{day}",
                "object": "billing.meter_event_summary",
                "aggregated_value": float(sum(values)),
                "start_time": day,
                "end_time": day + _DAY_S,
                "livemode": False,
                "meter": self._world.settings.meter_id,
            }
            if values
            else None
        )

    async def event(self, request: web.Request) -> web.Response:
        """An event of the v2 API with its data, which its webhook leaves out."""
        for event in self._world.events:
            if event["id"] == request.match_info["id"] and event["object"] == "v2.core.event":
                return answer(event)
        raise missing("event", request.match_info["id"])

    def _report(self, request: web.Request, usage: Usage) -> Object:
        meter = self._world.settings.meter_id
        key = request.headers.get("Idempotency-Key", usage.identifier)
        sample = {"error_message": f"No such customer: {usage.customer}", "request": {"identifier": key}}
        error = {"code": "meter_event_customer_not_found", "error_count": 1, "sample_errors": [sample]}
        event = {
            "id": self._world.new_id("evt"),
            "object": "v2.core.event",
            "type": "v1.billing.meter.error_report_triggered",
            "created": "2026-01-01T00:00:00.000Z",
            "livemode": False,
            "related_object": {"id": meter, "type": "billing.meter", "url": f"/v1/billing/meters/{meter}"},
            "data": {
                "developer_message_summary": "There is 1 invalid event",
                "reason": {"error_count": 1, "error_types": [error]},
                "validation_start": "2026-01-01T00:00:00.000Z",
                "validation_end": "2026-01-01T00:00:10.000Z",
            },
        }
        self._world.events.append(event)
        return event


def _usage(form: Object, now: int) -> Usage:
    payload = form.get("payload", {})
    at = number(form, "timestamp") if "timestamp" in form else now
    if at < now - _OLDEST_S:
        raise invalid("The timestamp is too far in the past.", "timestamp_too_far_in_past")
    if at > now + _AHEAD_S:
        raise invalid("The timestamp is too far in the future.", "timestamp_in_future")
    return Usage(text(form, "identifier"), text(payload, "stripe_customer_id"), number(payload, "value"), at)
