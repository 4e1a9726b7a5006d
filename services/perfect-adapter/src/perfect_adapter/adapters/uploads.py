"""Pictures go to the vendor's storage where it cannot reach ours: to the place and with the headers that it names."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import structlog
from closet_chassis.proxies import proxy_for
from yarl import URL

from perfect_adapter.adapters.calls import members, rows, text
from perfect_adapter.adapters.downloads import Hosts
from perfect_adapter.ports import DownloadRefused, File

log = structlog.get_logger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5, sock_read=30)
# The vendor may name these; what else it names could be meant for somebody else.
_HEADERS = {"content-type", "content-length"}


class Uploads:
    """Puts files to hosts that were named."""

    def __init__(self, session: aiohttp.ClientSession, hosts: Hosts) -> None:
        self._session = session
        self._hosts = hosts

    async def put(self, file: File, place: Mapping[str, Any]) -> bool:
        """Bring the bytes to the place that the vendor gave for them. Did it take them?"""
        request = next(iter(rows(place, "requests")), {})
        try:
            url = self._hosts.allowed(text(request.get("url")) or "")
        except DownloadRefused as refused:
            log.error("upload_refused", reason=str(refused))  # noqa: TRY400 no stack needed
            return False
        return await self._send(url, file, members(request, "headers"))

    async def _send(self, url: URL, file: File, named: Mapping[str, Any]) -> bool:
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
