"""The table: request -> what answers it."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from closet_chassis.batching import Batcher
from closet_chassis.postgres import Pool
from closet_contracts.rpc import Request, SignGet, SignPut
from closet_messaging.rpc import RpcHandler
from closet_storage.signing import Signer

from upload_signer import domain, handlers, store
from upload_signer.handlers import Signing
from upload_signer.store import PutUrl


def requests(pool: Pool, signer: Signer, sse: str, tag: str) -> Mapping[type[Request[Any]], RpcHandler]:
    """Every request that this service answers; `signer` signs for the endpoint that those outside use."""

    async def remember(urls: Sequence[PutUrl]) -> Sequence[None]:
        async with pool.acquire() as conn:
            await store.remember_put_urls(conn, urls, domain.PUT_EXPIRES_S, domain.UNUSED_KEPT_S)
        return [None] * len(urls)

    signing = Signing(signer, Batcher(remember).submit, sse, tag)
    return {SignPut: partial(handlers.sign_put, signing), SignGet: partial(handlers.sign_get, signer)}
