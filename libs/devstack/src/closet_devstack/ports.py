"""Free TCP ports on the loopback address."""

import random
import socket
from collections.abc import Iterator

_LOWEST, _HIGHEST = 11_000, 22_767
"""Below the range that the system hands to outgoing connections (32768 and up), also with 10000 added:
SeaweedFS puts a gRPC port there."""

GRPC_OFFSET = 10_000


class NoFreePort(RuntimeError):
    """Nothing is free in our range."""


def is_free(port: int) -> bool:
    """Whether a server could listen there now, on the loopback address or on all."""
    with socket.socket() as probe:
        # As servers do: connections of a former server that are still winding up do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _candidates() -> Iterator[int]:
    ports = list(range(_LOWEST, _HIGHEST + 1))
    random.Random().shuffle(ports)  # noqa: S311 - not a secret: only so that two stacks seldom try the same one
    return iter(ports)


def free_ports(count: int, *, with_grpc: bool = False) -> list[int]:
    """Ports that are free at this moment; whoever loses the race to bind one asks again.

    Args:
        count: how many.
        with_grpc: the port 10000 above each must be free as well.
    """
    found: list[int] = []
    for port in _candidates():
        if is_free(port) and (not with_grpc or is_free(port + GRPC_OFFSET)):
            found.append(port)
        if len(found) == count:
            return found
    raise NoFreePort(f"fewer than {count} free ports between {_LOWEST} and {_HIGHEST}")


def free_port(preferred: int | None = None) -> int:
    """One free port: the preferred one when it can be had."""
    if preferred is not None and is_free(preferred):
        return preferred
    return free_ports(1)[0]
