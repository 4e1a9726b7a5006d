"""Downloads of results from the vendor's storage: only from allowed hosts, and of bounded size."""

import aiohttp
from closet_chassis.proxies import proxy_for
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from perfect_adapter.vendor.answers import DownloadFailed, DownloadRefused
from perfect_adapter.vendor.hosts import AllowedHosts

MAX_RESULT_BYTES = 32 * 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5, sock_read=15)
_CHUNK = 256 * 1024


class ResultDownloader:
    """Downloads results from allowed hosts."""

    def __init__(self, session: aiohttp.ClientSession, hosts: AllowedHosts) -> None:
        self._session = session
        self._hosts = hosts

    @retry(
        retry=retry_if_exception_type(DownloadFailed),
        stop=stop_after_attempt(2),
        wait=wait_random_exponential(multiplier=0.2, max=1),
        reraise=True,
    )
    async def fetch(self, url: str) -> bytes:
        """Return the bytes; it costs no call of the quota.

        Raises:
            DownloadFailed: not now, or not from this URL any more.
            DownloadRefused: the host is not allowed, or the result too large.
        """
        target = self._hosts.check(url)
        try:
            async with self._session.get(
                target, allow_redirects=False, timeout=_TIMEOUT, proxy=proxy_for(str(target))
            ) as response:
                if response.status != 200:  # noqa: PLR2004 the only good one: not a part, not elsewhere
                    raise DownloadFailed(f"HTTP {response.status}")
                return await _read(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            # Its own text may hold the signed URL.
            raise DownloadFailed(type(error).__name__) from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    if (response.content_length or 0) > MAX_RESULT_BYTES:
        raise DownloadRefused("too large")
    chunks: list[bytes] = []
    left = MAX_RESULT_BYTES
    async for chunk in response.content.iter_chunked(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise DownloadRefused("too large")
        chunks.append(chunk)
    return b"".join(chunks)
