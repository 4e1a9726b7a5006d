"""Uploads of inputs to the vendor's storage, to the URL and with the headers that it names."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import structlog
from closet_chassis.proxies import proxy_for
from yarl import URL

from perfect_adapter.vendor.answers import DownloadRefused, InputFile
from perfect_adapter.vendor.downloads import AllowedHosts
from perfect_adapter.vendor.parsing import members, rows, text

log = structlog.get_logger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5, sock_read=30)
# Only these headers are taken from the vendor: others could be meant for another host.
_HEADERS = {"content-type", "content-length"}


class InputUploader:
    """Uploads files to allowed hosts."""

    def __init__(self, session: aiohttp.ClientSession, hosts: AllowedHosts) -> None:
        self._session = session
        self._hosts = hosts

    async def put(self, file: InputFile, place: Mapping[str, Any]) -> bool:
        """Upload the bytes to the place that the vendor named, and return whether it took them."""
        request = next(iter(rows(place, "requests")), {})
        try:
            url = self._hosts.check(text(request.get("url")) or "")
        except DownloadRefused as refused:
            log.error("upload_refused", reason=str(refused))  # noqa: TRY400 no stack needed
            return False
        return await self._send(url, file, members(request, "headers"))

    async def _send(self, url: URL, file: InputFile, named: Mapping[str, Any]) -> bool:
        headers = {name: str(value) for name, value in named.items() if name.lower() in _HEADERS}
        headers |= {"Content-Type": file.content_type, "Content-Length": str(len(file.data))}
        try:
            async with self._session.put(
                url,
                data=file.data,
                headers=headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
                proxy=proxy_for(str(url)),
            ) as response:
                return response.ok
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("upload_failed", error=type(error).__name__)
            return False
