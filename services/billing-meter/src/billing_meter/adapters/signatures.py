"""Webhooks of Stripe: verified on their raw bytes, and read."""

import time
from collections.abc import Mapping, Sequence

from closet_chassis.json_text import parse_json
from closet_chassis.webhooks import InvalidSignature, MalformedWebhook
from stripe import SignatureVerificationError, WebhookSignature

from billing_meter.domain.stripe_objects import StripeEvent

TOLERANCE_S = 300


class StripeWebhookVerifier:
    """Verifies events signed with any of the secrets: during a rotation there are two."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets

    def verify(self, raw: bytes, headers: Mapping[str, str]) -> StripeEvent:
        """Return the event in `raw`, which is the body exactly as it came.

        Raises:
            InvalidSignature: no secret of ours signed it, or not within five minutes of now.
            MalformedWebhook: it is not an event.
        """
        header = headers.get("Stripe-Signature", "")
        if not any(_is_signed(raw, header, secret) for secret in self._secrets):
            raise InvalidSignature
        try:
            event = parse_json(raw)
            # An event of the v2 API is thin: it names its object beside its data.
            about = event.get("related_object") or (event.get("data") or {}).get("object") or {}
            found = StripeEvent(event["id"], event["type"], about.get("id"), event)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise MalformedWebhook(type(error).__name__) from error
        if not all(isinstance(part, str) and part for part in (found.event_id, found.type)):
            raise MalformedWebhook("id and type are text")
        if not isinstance(found.object_id, str | None):
            raise MalformedWebhook("an object's id is text")
        return found


def _is_signed(raw: bytes, header: str, secret: str) -> bool:
    if not header.isascii():  # the library cannot compare it
        return False
    try:
        WebhookSignature.verify_header(raw, header, secret, TOLERANCE_S)
    except (SignatureVerificationError, UnicodeDecodeError):
        return False
    # The library looks at the past only.
    signed_at = next(part.partition("=")[2] for part in header.split(",") if part.startswith("t="))
    return int(signed_at) <= time.time() + TOLERANCE_S
