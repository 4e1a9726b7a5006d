"""The table: request -> what answers it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from closet_contracts.rpc import Request, SignGet, SignPut
from closet_messaging.rpc import RpcHandler
from closet_storage.signing import Signer

from upload_signer import handlers


def requests(signer: Signer, sse: str) -> Mapping[type[Request[Any]], RpcHandler]:
    """Every request that this service answers; `signer` signs for the endpoint that those outside use."""
    return {SignPut: partial(handlers.sign_put, signer, sse), SignGet: partial(handlers.sign_get, signer)}
