"""Webhooks of the vendor, verified and parsed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from closet_chassis.json_text import parse_json
from closet_chassis.webhooks import InvalidSignature, MalformedWebhook
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError


@dataclass(frozen=True, slots=True)
class VendorWebhook:
    """A verified message of the vendor's."""

    webhook_id: str
    task_id: str
    task_status: str
    received_at: datetime


class WebhookVerifier:
    """Verifies webhooks signed with any of the secrets: during a rotation there are two."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._verifiers = [Verifier(secret) for secret in secrets]

    def verify(self, raw: bytes, headers: Mapping[str, str]) -> VendorWebhook:
        """Return the webhook in `raw`, the bytes exactly as they came.

        Raises:
            InvalidSignature: it is not the vendor's.
            MalformedWebhook: it names no task and status.
        """
        if not any(_is_signed(verifier, raw, headers) for verifier in self._verifiers):
            raise InvalidSignature
        try:
            # Ids may be numbers too large for a JSON number elsewhere: every number stays the text that it is.
            data = parse_json(raw, numbers_as_text=True)["data"]
            task_id, status = data["task_id"], data["task_status"]
        except (ValueError, TypeError, KeyError) as error:
            raise MalformedWebhook(type(error).__name__) from error
        if not (isinstance(task_id, str) and isinstance(status, str) and task_id):
            raise MalformedWebhook("task_id and task_status are text")
        return VendorWebhook(_webhook_id(headers), task_id, status, datetime.now(UTC))


def _is_signed(verifier: Verifier, raw: bytes, headers: Mapping[str, str]) -> bool:
    try:
        verifier.verify(raw, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: a signature or a body that is no such thing at all
        return False
    return True


def _webhook_id(headers: Mapping[str, str]) -> str:
    return next(value for name, value in headers.items() if name.lower() == "webhook-id")
