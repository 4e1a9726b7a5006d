"""Authorised calls to the gateway, made again where that is safe."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import aiohttp

from closet_client.errors import ApiProblem
from closet_client.retries import RetryPolicy, repeat
from closet_client.tokens import TokenKeeper
from closet_client.wire import Answer, Request, Wire


class TokenRenewed(Exception):
    """Open the stream again: its token was refused, and there is a fresh one now."""


class Transport:
    """GETs, and POSTs that carry an Idempotency-Key kept over their repetitions."""

    def __init__(self, wire: Wire, tokens: TokenKeeper, policy: RetryPolicy) -> None:
        """Compose the parts."""
        self._wire = wire
        self._tokens = tokens
        self.policy = policy

    async def get(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> Answer:
        """Read something."""
        return await self._repeat(Request("GET", path, headers or {}, params=params, timeout_s=timeout_s))

    async def post(self, path: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Answer:
        """Ask for something to be done once, however often the request has to travel."""
        return await self._repeat(Request("POST", path, {"Idempotency-Key": idempotency_key or str(uuid4())}, body))

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[aiohttp.StreamReader]:
        """One attempt at a stream; resuming is the reader's business.

        Raises:
            TokenRenewed: refused for its token, and there is another one now.
        """
        token = await self._tokens.bearer()
        try:
            async with self._wire.stream(request.bearing(token)) as content:
                yield content
        except ApiProblem as problem:
            if await self._renewed(problem, token) is None:
                raise
            raise TokenRenewed from problem

    async def _repeat(self, request: Request) -> Answer:
        return await repeat(lambda: self._authorised(request), self.policy, len(self._wire.hosts))

    async def _authorised(self, request: Request) -> Answer:
        token = await self._tokens.bearer()
        try:
            return await self._wire.send(request.bearing(token))
        except ApiProblem as problem:
            fresh = await self._renewed(problem, token)
            if fresh is None:
                raise
        # Refused for its token, so nothing was done: once more with a fresh one.
        return await self._wire.send(request.bearing(fresh))

    async def _renewed(self, problem: ApiProblem, token: str) -> str | None:
        if problem.status != HTTPStatus.UNAUTHORIZED:
            return None
        return await self._tokens.after_refusal(token)
