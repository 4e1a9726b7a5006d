"""Brings a task's inputs: from URLs, and from what was uploaded."""

import aiohttp

from closet_devstack.sandbox.perfect.errors import EngineError
from closet_devstack.sandbox.perfect.features import Reference
from closet_devstack.sandbox.perfect.pictures.inputs import MAX_BYTES
from closet_devstack.sandbox.perfect.uploads import Uploads

_TIMEOUT = aiohttp.ClientTimeout(total=30)


class Inputs:
    """Fetches with a pooled session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def bring(self, reference: Reference, uploads: Uploads) -> bytes:
        """The bytes.

        Raises:
            EngineError: there are none.
        """
        if reference.data is not None:
            return reference.data
        if reference.url is not None:
            return await self._fetch(reference.url, "error_download_mask" if reference.role == "msk" else None)
        data = uploads.read(reference.file_id or "")
        if data is None:
            raise EngineError("unknown_internal_error", "The file has no content")
        return data

    async def _fetch(self, url: str, code: str | None) -> bytes:
        try:
            async with self._session.get(url, timeout=_TIMEOUT) as response:
                response.raise_for_status()
                return await _bounded(response.content)
        except (aiohttp.ClientError, TimeoutError):
            raise EngineError(code or "error_download_image") from None


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """All of it, or a little more than is allowed, which tells that there is too much."""
    data = bytearray()
    async for chunk in content.iter_any():
        data += chunk
        if len(data) > MAX_BYTES:
            break
    return bytes(data)
