"""Hosts of the vendor's storage: only those that are allowed, at public addresses, and a session for them."""

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from closet_chassis.proxies import proxy_for
from yarl import URL

from perfect_adapter.vendor.answers import DownloadRefused

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
