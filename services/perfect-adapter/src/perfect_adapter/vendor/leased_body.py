"""A request's body that leaves only while a lease holds, checked right before its bytes are handed to the network."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload

from perfect_adapter.vendor.leases import Lease


class LeaseExpired(Exception):
    """The lease expired before the bytes left: nothing was sent."""


class LeasedBody(BytesPayload):
    """JSON. aiohttp keeps a request's headers back until its first bytes of body: either all of it leaves or nothing.

    A connection may take seconds to be made, and a process may be stopped at any time; so it is not enough to check
    before the call.
    """

    def __init__(self, document: Mapping[str, Any], lease: Lease) -> None:
        super().__init__(json.dumps(document).encode(), content_type="application/json")
        self._lease = lease
        self.is_withheld = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write the body, if the lease holds.

        Raises:
            LeaseExpired: it does not hold.
        """
        if self._lease.is_expired:
            self.is_withheld = True
            raise LeaseExpired
        await super().write_with_length(writer, content_length)
