"""Webhooks of the vendor: are they the vendor's, and what do they say?"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from closet_chassis.json_text import parse_json
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from perfect_adapter.store.webhooks import Webhook


class NotTheirs(Exception):
    """No good signature of the vendor's, or one too old or from the future."""


class Unreadable(Exception):
    """Signed by the vendor, yet not a message that we know."""


class Mailbox:
    """Opens messages signed with any of the secrets: during a rotation there are two."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._verifiers = [Verifier(secret) for secret in secrets]

    def open(self, raw: bytes, headers: Mapping[str, str]) -> Webhook:
        """The message in `raw`, exactly as it came.

        Raises:
            NotTheirs: it cannot be trusted.
            Unreadable: it cannot be understood.
        """
        if not any(_is_signed(verifier, raw, headers) for verifier in self._verifiers):
            raise NotTheirs
        try:
            # Ids may be numbers too large for a JSON number elsewhere: every number stays the text that it is.
            data = parse_json(raw, numbers_as_text=True)["data"]
            task_id, status = data["task_id"], data["task_status"]
        except (ValueError, TypeError, KeyError) as error:
            raise Unreadable(type(error).__name__) from error
        if not (isinstance(task_id, str) and isinstance(status, str) and task_id):
            raise Unreadable("task_id and task_status are text")
        return Webhook(_webhook_id(headers), task_id, status, datetime.now(UTC))


def _is_signed(verifier: Verifier, raw: bytes, headers: Mapping[str, str]) -> bool:
    try:
        verifier.verify(raw, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: a signature or a body that is no such thing at all
        return False
    return True


def _webhook_id(headers: Mapping[str, str]) -> str:
    return next(value for name, value in headers.items() if name.lower() == "webhook-id")
