"""Limits on HTTP connections: how many there may be, and how long one may be held without getting anywhere."""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit
from typing import Self, cast

from aiohttp import web
from prometheus_client import Counter as CounterMetric

Network = IPv4Network | IPv6Network

_OTHER_FILES = 200  # descriptors for everything that is no client: database, bus, storage, logs
_IPV6_SITE_BITS = 64  # whoever has one IPv6 address has all of its network
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

CLOSED = CounterMetric("closet_http_connections_closed_total", "Connections that broke a limit", ["limit"])


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one listener grants. `proxies` are counted in the total only: many clients come from one address."""

    header_timeout_s: float = 10.0
    write_timeout_s: float = 60.0
    total: int = 10_000
    per_address: int = 1_000
    proxies: tuple[Network, ...] = ()


def raise_file_limit() -> int:
    """Let this process hold as many files as the system allows it; how many connections of clients that leaves."""
    _, hard = getrlimit(RLIMIT_NOFILE)
    setrlimit(RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == RLIM_INFINITY else max(1, hard - _OTHER_FILES)


class Connections:
    """A protocol factory for `loop.create_server`: counts the connections of a listener and guards each."""

    def __init__(self, limits: ConnectionLimits, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        self.limits = limits
        self._make_protocol = make_protocol
        self._total = 0
        self._by_address: Counter[str] = Counter()

    def __call__(self) -> asyncio.Protocol:
        """The protocol of one connection."""
        return Connection(self, self._make_protocol())

    def admit(self, address: str) -> str | None:
        """Count one more connection from `address`, or name the limit that it would break."""
        if self._total >= self.limits.total:
            return "total"
        if self._by_address[address] >= self.limits.per_address and not self._is_proxy(address):
            return "per_address"
        self._total += 1
        self._by_address[address] += 1
        return None

    def leave(self, address: str) -> None:
        """One connection from `address` less."""
        self._total -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def _is_proxy(self, address: str) -> bool:
        network = ip_network(address)
        return any(network.version == proxy.version and network.overlaps(proxy) for proxy in self.limits.proxies)


class Connection(asyncio.Protocol):
    """Stands between a transport and aiohttp's protocol; passes everything on, and closes what takes too long.

    aiohttp itself closes connections that idle between two requests, and reads what is left of a body for a bounded
    time. It has no limit for a request's head, for an answer that nobody reads, and for the number of connections.
    """

    def __init__(self, connections: Connections, inner: asyncio.Protocol) -> None:
        self._connections = connections
        self._inner = inner
        self._address: str | None = None  # None: not admitted
        self._in_request = False
        self._head_due: asyncio.TimerHandle | None = None
        self._write_due: asyncio.TimerHandle | None = None

    @classmethod
    def of(cls, request: web.Request) -> Self | None:
        """The connection on which a request came, if it is one of ours."""
        protocol = None if request.transport is None else request.transport.get_protocol()
        return protocol if isinstance(protocol, cls) else None

    def begin_request(self) -> None:
        """A request's head is complete."""
        self._in_request = True
        self._stop_head_timer()

    def end_request(self) -> None:
        """Its answer is made; the next head may come."""
        self._in_request = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        address = _address_of(self._transport)
        if limit := self._connections.admit(address):
            self._close(limit, _TOO_MANY)
            return
        self._address = address
        self._inner.connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if self._address is None:
            return
        if not self._in_request and self._head_due is None:
            self._await_head()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._address is not None else None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._stop_write_timer()
        if self._address is not None:
            self._connections.leave(self._address)
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        timeout = self._connections.limits.write_timeout_s
        self._write_due = asyncio.get_running_loop().call_later(timeout, self._abort)
        if self._address is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._stop_write_timer()
        if self._address is not None:
            self._inner.resume_writing()

    def _await_head(self) -> None:
        timeout = self._connections.limits.header_timeout_s
        self._head_due = asyncio.get_running_loop().call_later(timeout, self._close, "header_timeout", _TOO_SLOW)

    def _stop_head_timer(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _stop_write_timer(self) -> None:
        if self._write_due is not None:
            self._write_due.cancel()
            self._write_due = None

    def _close(self, limit: str, answer: bytes) -> None:
        CLOSED.labels(limit).inc()
        self._transport.write(answer)
        self._transport.close()

    def _abort(self) -> None:
        CLOSED.labels("write_timeout").inc()
        self._transport.abort()


def _address_of(transport: asyncio.Transport) -> str:
    peer = transport.get_extra_info("peername")  # None if it has gone already
    return _counted_as(peer[0] if peer else "0.0.0.0")  # noqa: S104  no address to listen on


@lru_cache(4096)
def _counted_as(host: str) -> str:
    """The address as limits count it: an IPv6 address by its network."""
    address = ip_address(host.partition("%")[0])
    if address.version == 4:  # noqa: PLR2004  IP's
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped or ip_network((address, _IPV6_SITE_BITS), strict=False))
