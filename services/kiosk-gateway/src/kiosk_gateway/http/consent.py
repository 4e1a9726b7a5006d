"""The person's consent to the terms."""

from typing import Any

from aiohttp import web
from closet_chassis.http import read_model

from kiosk_gateway.domain.refusals import UNKNOWN_CONSENT_VERSION
from kiosk_gateway.handlers.consents import Consents, is_valid
from kiosk_gateway.handlers.problems import problem
from kiosk_gateway.http.models import Consent, ConsentRequest
from kiosk_gateway.http.route import CALLER, idempotency_key, reply_private
from kiosk_gateway.store.consents import ConsentRecord


class ConsentEndpoints:
    """Serves the caller's consent."""

    def __init__(self, consents: Consents) -> None:
        self._consents = consents

    async def read(self, request: web.Request) -> web.StreamResponse:
        """GET /consent."""
        return reply_private(self._body(await self._consents.read(request[CALLER])))

    async def change(self, request: web.Request) -> web.StreamResponse:
        """POST /consent."""
        body = await read_model(request, ConsentRequest)
        if body.given and body.version not in {None, self._consents.version}:
            raise problem(UNKNOWN_CONSENT_VERSION)
        key = idempotency_key(request, body)
        return reply_private(await self._consents.change(request[CALLER], key, self._answer, given=body.given))

    def _answer(self, consent: ConsentRecord | None) -> dict[str, Any]:
        return self._body(consent).model_dump(mode="json")

    def _body(self, consent: ConsentRecord | None) -> Consent:
        return Consent(
            given=is_valid(consent, self._consents.version),
            version=consent.version if consent else None,
            given_at=consent.given_at if consent else None,
            withdrawn_at=consent.withdrawn_at if consent else None,
            current_version=self._consents.version,
        )
