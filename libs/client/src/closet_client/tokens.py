"""The access token: minted from an API key or handed in, renewed shortly before it ends and when it is refused."""

import asyncio
import time
from dataclasses import dataclass

from closet_client.errors import ApiProblem
from closet_client.wire import Answer, Request, Wire

_MARGIN_S = 30.0  # renew this long before the end, so that no request travels with a token that ends on its way


@dataclass(frozen=True)
class ApiKey:
    """A tenant's key, which mints tokens for its users. It belongs on a server, never in an app."""

    key: str
    user_id: str
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Session:
    """Tokens that someone else minted. Without a refresh token they serve until they end."""

    access_token: str
    refresh_token: str | None = None


class TokenKeeper:
    """Gives the bearer token of the moment; concurrent callers share one renewal."""

    def __init__(self, wire: Wire, credentials: ApiKey | Session) -> None:
        """A handed-in token's end is not known, so it is renewed only when the gateway refuses it."""
        self._wire = wire
        self._key = credentials if isinstance(credentials, ApiKey) else None
        self._access = None if isinstance(credentials, ApiKey) else credentials.access_token
        self._refresh = None if isinstance(credentials, ApiKey) else credentials.refresh_token
        self._renew_at = float("inf")
        self._lock = asyncio.Lock()

    async def bearer(self) -> str:
        """A token that is good for the next seconds, as far as is known here."""
        if self._access is None or (self._can_renew and time.monotonic() >= self._renew_at):
            return await self._renew(self._access)
        return self._access

    async def after_refusal(self, refused: str) -> str | None:
        """Another token than the one the gateway just refused; None where there is no way to get one."""
        return await self._renew(refused) if self._can_renew else None

    @property
    def _can_renew(self) -> bool:
        return self._key is not None or self._refresh is not None

    async def _renew(self, old: str | None) -> str:
        async with self._lock:
            if self._access is not None and self._access != old:
                return self._access
            answer = await self._grant()
            body = answer.body
            try:
                self._access, lives_s = str(body["accessToken"]), float(body["expiresIn"])
            except (KeyError, TypeError, ValueError) as error:
                raise ApiProblem(answer.status, "unreadable_answer", "The server's answer holds no token.") from error
            # With a key, minting again is simpler and always works, so the refresh token is dropped.
            self._refresh = None if self._key else body.get("refreshToken")
            self._renew_at = time.monotonic() + max(lives_s - _MARGIN_S, lives_s / 2)
            return self._access

    async def _grant(self) -> Answer:
        # Not repeated here: whoever needed the token repeats its own call, and so this one. A refresh whose answer was
        # lost may have spent the token; coming again with it ends the session, which is lost without the answer too.
        if self._key is None:
            return await self._wire.send(Request("POST", "/auth/refresh", body={"refreshToken": self._refresh}))
        scopes = {} if self._key.scopes is None else {"scopes": list(self._key.scopes)}
        request = Request("POST", "/auth/token", body={"userId": self._key.user_id, **scopes})
        return await self._wire.send(request.bearing(self._key.key))
