"""The table: request -> handler."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from closet_chassis.batching import Batcher
from closet_chassis.postgres import Pool
from closet_contracts.rpc import Request, SignGet, SignPut
from closet_messaging.rpc import RpcHandler
from closet_storage.signing import Signer

from upload_signer import domain, handlers, store
from upload_signer.handlers import PutSigning
from upload_signer.store import PutUrl


def requests(pool: Pool, signer: Signer, sse: str, tag: str) -> Mapping[type[Request[Any]], RpcHandler]:
    """Return the handler of each request; `signer` signs for the endpoint that clients use."""

    async def record_urls(urls: Sequence[PutUrl]) -> Sequence[None]:
        async with pool.acquire() as conn:
            await store.upsert_put_urls(conn, urls, domain.PUT_EXPIRES_S, domain.UNUSED_RETENTION_S)
        return [None] * len(urls)

    signing = PutSigning(signer, Batcher(record_urls).submit, sse, tag)
    return {SignPut: partial(handlers.sign_put, signing), SignGet: partial(handlers.sign_get, signer)}
