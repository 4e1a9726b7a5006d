"""Free TCP ports on the loopback address."""

import os
import random
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack

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


_MOST_CLAIMS = 256
_claims: deque[int] = deque()
"""Descriptors of this process's claims, oldest first. A claim keeps a port from other stacks on this machine, also
while its server is stopped and is to find it again. It is a Unix socket in Linux's abstract namespace: it leaves no
file, and goes with the process. Of many, the oldest are let go."""


def _claim(*numbers: int) -> bool:
    """Claim these ports; return False, and claim none, if somebody has one of them."""
    with ExitStack() as undo:
        claims = []
        for number in numbers:
            if (claim := _abstract_socket(f"closet-devstack-port-{number}")) is None:
                return False
            claims.append(claim)
            undo.callback(os.close, claim)
        undo.pop_all()
    _claims.extend(claims)
    while len(_claims) > _MOST_CLAIMS:
        os.close(_claims.popleft())
    return True


def _abstract_socket(name: str) -> int | None:
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind(f"\0{name}")
        except OSError:
            return None
        return claim.detach()


def _candidates() -> Iterator[int]:
    ports = list(range(_LOWEST, _HIGHEST + 1))
    random.Random().shuffle(ports)  # noqa: S311 - not a secret: only so that two stacks seldom try the same one
    return iter(ports)


def free_ports(count: int, *, with_grpc: bool = False) -> list[int]:
    """Return ports that are free at this moment, and claimed.

    Whoever is no stack of ours may still take one: who loses the race to bind it asks again.

    Args:
        count: how many.
        with_grpc: the port 10000 above each must be free as well.
    """
    found: list[int] = []
    for number in _candidates():
        numbers = (number, number + GRPC_OFFSET) if with_grpc else (number,)
        if all(map(is_free, numbers)) and _claim(*numbers):
            found.append(number)
        if len(found) == count:
            return found
    raise NoFreePort(f"fewer than {count} free ports between {_LOWEST} and {_HIGHEST}")


def free_port(preferred: int | None = None) -> int:
    """Return one free port: the preferred port if it is free."""
    if preferred is not None and is_free(preferred):
        _claim(preferred)  # or it is ours already: it is free all the same
        return preferred
    return free_ports(1)[0]
