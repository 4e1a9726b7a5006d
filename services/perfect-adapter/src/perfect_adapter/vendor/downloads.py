"""Downloads of results from the vendor's storage: only from allowed hosts, and of bounded size."""

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from closet_chassis.proxies import proxy_for
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from yarl import URL

from perfect_adapter.vendor.answers import DownloadFailed, DownloadRefused

MAX_RESULT_BYTES = 32 * 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5, sock_read=15)
_CHUNK = 256 * 1024
_ANY_RESULT = "https://results"


class AllowedHosts:
    """Hosts that results may come from: `host[:port]`, or `.domain` for everything below it.

    Args:
        names: of the hosts.
        insecure: whether plain http is allowed, as with a vendor that is reached so itself.
    """

    def __init__(self, names: frozenset[str], *, insecure: bool) -> None:
        self._names = names
        self._schemes = {"https", "http"} if insecure else {"https"}

    def check(self, url: str) -> URL:
        """Return the parsed URL, if it leads to one of them.

        Raises:
            DownloadRefused: it does not.
        """
        try:
            target = URL(url, encoded=True)
            if target.scheme not in self._schemes or target.user is not None or not self._is_named(target):
                raise DownloadRefused("host not allowed")
        except ValueError:  # parts are parsed when they are asked for
            raise DownloadRefused("not a URL") from None
        return target

    def _is_named(self, url: URL) -> bool:
        host = url.host or ""
        if f"{host}:{url.port}" in self._names:
            return True
        below = {name for name in self._names if name.startswith(".") and host.endswith(name)}
        return url.is_default_port() and bool(below or host in self._names)


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses only: a name must not lead into our own network.

    Args:
        proxy: the host of our own proxy, which may be anywhere; through it, its network decides what can be reached.
    """

    def __init__(self, proxy: str | None = None) -> None:
        self._resolver = aiohttp.ThreadedResolver()
        self._proxy = proxy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`.

        Raises:
            OSError: it has none that is public.
        """
        found = await self._resolver.resolve(host, port, family)
        if host == self._proxy:
            return found
        public = [each for each in found if ipaddress.ip_address(each["host"]).is_global]
        if not public:
            raise OSError(f"{host} leads to no public address")
        return public

    async def close(self) -> None:
        await self._resolver.close()


def open_storage_session(*, public_only: bool) -> aiohttp.ClientSession:
    """Return a session without credentials, for the storage that results come from."""
    proxy = urlsplit(proxy_for(_ANY_RESULT) or "").hostname
    options: dict[str, Any] = {"resolver": PublicResolver(proxy)} if public_only else {}
    connector = aiohttp.TCPConnector(limit=0, **options)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


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
