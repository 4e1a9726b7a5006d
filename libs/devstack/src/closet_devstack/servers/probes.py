"""Is it ready? Asked, not waited for."""

import json
import socket
import struct
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from closet_storage.access import Access

_TIMEOUT_S = 2.0
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)


def nats_greets(port: int, server_name: str) -> bool:
    """A NATS of that name listens there; JetStream has read its store by then."""
    return server_name.encode() in _said(port, b"")


def postgres_answers(port: int) -> bool:
    """A PostgreSQL listens there: it says whether it speaks TLS."""
    return _said(port, _SSL_REQUEST) in {b"S", b"N"}


def s3_takes_objects(admin: "Access") -> bool:
    """It takes an object from our admin, whose secret no other server knows."""
    from closet_storage.signing import Signer  # noqa: PLC0415 - whoever only starts servers does not load it

    signer = Signer(admin.endpoint, admin.region, admin.bucket, admin.access_key, admin.secret_key)
    url, headers = signer.put_url("devstack/ready", {"Content-Type": "text/plain"}, 60)
    return http_is_ok(urllib.request.Request(url, b"ready", headers, method="PUT"))  # noqa: S310 - our own http URL


def http_is_ok(request: urllib.request.Request | str) -> bool:
    try:
        urllib.request.urlopen(request, timeout=_TIMEOUT_S).close()  # noqa: S310 - our own http URLs
    except (OSError, HTTPException):  # urllib's errors are OSErrors, a 503 too; who took the port may speak no HTTP
        return False
    return True


def answers_as(admin_url: str, pid: int) -> bool:
    """The service that answers operators there is that process, not another stack's that took the port."""
    try:
        with urllib.request.urlopen(f"{admin_url}/livez", timeout=_TIMEOUT_S) as response:  # noqa: S310 - our own URL
            return bool(json.load(response).get("pid") == pid)
    except (OSError, HTTPException, ValueError, AttributeError):  # no answer, or a stranger's
        return False


def _said(port: int, question: bytes) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as connection:
            connection.sendall(question)
            return connection.recv(4096)
    except OSError:
        return b""
