"""What somebody without a key or a certificate asks of a storage server."""

import socket
import ssl

import aiohttp
import psutil
from closet_devstack.servers.s3 import BUCKET

KEY = "tenant/acme/uploads/me.jpg"
PATHS = (
    f"/buckets/{BUCKET}/{KEY}",  # the filer's name of the object
    f"/{BUCKET}/{KEY}",
    f"/buckets/{BUCKET}/tenant/acme/uploads/",
    "/dir/assign",
    "/vol/status",
)
WRITES = (("PUT", f"/buckets/{BUCKET}/{KEY}"), ("POST", f"/buckets/{BUCKET}/tenant/acme/uploads/"), ("POST", "/submit"))
DELETES = (f"/buckets/{BUCKET}/{KEY}", f"/{BUCKET}/{KEY}")
_SETTINGS = 4  # the type of an HTTP/2 frame
_EMPTY_SETTINGS = bytes([0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0])


def listening(server: psutil.Process) -> set[tuple[str, int]]:
    """The addresses and ports where it listens."""
    connections = server.net_connections("inet")
    return {(one.laddr.ip, one.laddr.port) for one in connections if one.status == psutil.CONN_LISTEN}


async def asked(
    port: int, method: str, path: str, data: bytes | None = None, host: str = "127.0.0.1"
) -> tuple[int, bytes]:
    """Status and body; 0 from a port that speaks no HTTP with strangers."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
            session.request(method, f"http://{host}:{port}{path}", data=data) as response,
        ):
            return response.status, await response.read()
    except aiohttp.ClientError:
        return 0, b""


def stranger() -> ssl.SSLContext:
    """Without a certificate, and ready to believe any."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def greets_in_http2(port: int, context: ssl.SSLContext | None, host: str = "127.0.0.1") -> bool:
    """Whether it answers the beginning of an HTTP/2 connection, over which gRPC goes, with its settings."""
    try:
        with (
            socket.create_connection((host, port), 30) as plain,
            context.wrap_socket(plain) if context else plain as connection,
        ):
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _EMPTY_SETTINGS)
            frame = connection.recv(9)
    except OSError:  # ssl's errors are OSErrors
        return False
    return frame[3:4] == bytes([_SETTINGS])
