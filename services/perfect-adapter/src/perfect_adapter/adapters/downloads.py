"""Results come from the vendor's storage by URL: only from hosts that were named, and only so much."""

import aiohttp
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from yarl import URL

from perfect_adapter.ports import DownloadFailed, DownloadRefused

MAX_RESULT_BYTES = 32 * 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5, sock_read=15)
_CHUNK = 256 * 1024


class Downloads:
    """Fetches results.

    Args:
        session: for this alone; it carries no credentials.
        hosts: `host[:port]`, or `.domain` for everything below it.
        insecure: whether plain http is fine, as it is with a vendor that is reached so itself.
    """

    def __init__(self, session: aiohttp.ClientSession, hosts: frozenset[str], *, insecure: bool) -> None:
        self._session = session
        self._hosts = hosts
        self._schemes = {"https", "http"} if insecure else {"https"}

    @retry(
        retry=retry_if_exception_type(DownloadFailed),
        stop=stop_after_attempt(2),
        wait=wait_random_exponential(multiplier=0.2, max=1),
        reraise=True,
    )
    async def fetch(self, url: str) -> bytes:
        """The bytes; no charge to the quota.

        Raises:
            DownloadFailed: not now, or not from this URL any more.
            DownloadRefused: from there never, or too large.
        """
        target = self._allowed(url)
        try:
            async with self._session.get(target, allow_redirects=False, timeout=_TIMEOUT) as response:
                if response.status != 200:  # noqa: PLR2004 the only good one: not a part, not elsewhere
                    raise DownloadFailed(f"HTTP {response.status}")
                return await _read(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            # Its own text may hold the signed URL.
            raise DownloadFailed(type(error).__name__) from None

    def _allowed(self, url: str) -> URL:
        try:
            target = URL(url, encoded=True)
            if target.scheme not in self._schemes or target.user is not None or not self._is_named(target):
                raise DownloadRefused("from a place that was not named")
        except ValueError:  # parts are parsed when they are asked for
            raise DownloadRefused("not a URL") from None
        return target

    def _is_named(self, url: URL) -> bool:
        host = url.host or ""
        if f"{host}:{url.port}" in self._hosts:
            return True
        below = {name for name in self._hosts if name.startswith(".") and host.endswith(name)}
        return url.is_default_port() and bool(below or host in self._hosts)


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
