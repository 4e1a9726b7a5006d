"""A test's remote control of a running sandbox."""

from typing import Any

import aiohttp


class Remote:
    """The control endpoints of the sandbox at `url`, as methods."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def reset(self) -> None:
        """As new: nothing exists, no faults, the first settings but the secrets."""
        await self._ask("POST", "reset")

    async def change(self, **settings: object) -> None:
        """Change settings, by their names in `Settings`."""
        await self._ask("PATCH", "settings", settings)

    async def fault(self, kind: str, path: str = "/", times: int = 1) -> None:
        """Order trouble, see `Fault`."""
        await self._ask("POST", "faults", {"kind": kind, "path": path, "times": times})

    async def stats(self) -> dict[str, Any]:
        """Calls by endpoint, objects by kind, usage, credits, events."""
        return dict(await self._ask("GET", "stats"))

    async def objects(self, kind: str) -> list[dict[str, Any]]:
        """All of a kind, the oldest first."""
        return list((await self._ask("GET", f"objects?kind={kind}"))["data"])

    async def pay(self, checkout_id: str) -> None:
        """Pay a checkout, as a person does on its page."""
        await self._ask("POST", f"pay/{checkout_id}")

    async def bill(self, subscription_id: str, *, paid: bool) -> str:
        """Begin the next period; the invoice's id."""
        return str((await self._ask("POST", "bill", {"subscription": subscription_id, "paid": paid}))["id"])

    async def set_status(self, subscription_id: str, status: str) -> None:
        """Change how a subscription stands."""
        await self._ask("POST", "change", {"subscription": subscription_id, "status": status})

    async def dispute(self, payment_id: str, amount: int, status: str = "needs_response") -> str:
        """Let the payer want money back from the bank; the dispute's id. `warning_needs_response` is an inquiry."""
        asked = {"payment_intent": payment_id, "amount": amount, "status": status}
        return str((await self._ask("POST", "dispute", asked))["id"])

    async def set_dispute(self, dispute_id: str, status: str) -> None:
        """Let the bank decide."""
        await self._ask("POST", "dispute-status", {"id": dispute_id, "status": status})

    async def set_refund(self, refund_id: str, status: str) -> None:
        """Let a refund fail, or be canceled."""
        await self._ask("POST", "refund-status", {"id": refund_id, "status": status})

    async def release_webhooks(self) -> int:
        """Send those that wait, the last one first; how many."""
        return int((await self._ask("POST", "webhooks"))["sent"])

    async def _ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.url}/_sandbox/{path}", json=body) as response,
        ):
            if not response.ok:
                raise ValueError(f"{path}: {response.status} {await response.text()}")
            return await response.json() if response.content_length else None
