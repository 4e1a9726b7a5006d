"""Ports are free, below the system's own range, and so are their gRPC neighbours."""

import socket
import subprocess
import sys

import pytest
from closet_devstack.ports import GRPC_OFFSET, NoFreePort, free_port, free_ports, is_free


def test_ports_stay_below_the_range_of_outgoing_connections() -> None:
    ports = free_ports(20, with_grpc=True)
    assert len(set(ports)) == 20
    assert all(port + GRPC_OFFSET < 32768 for port in ports)


def test_a_port_on_which_somebody_listens_is_not_free() -> None:
    port = free_port()
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - that is the case
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((address, port))
            other.listen()
            assert not is_free(port)


def test_the_preferred_port_is_taken_only_when_it_is_free() -> None:
    port = free_port()
    assert free_port(preferred=port) == port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert free_port(preferred=port) != port


def test_a_port_that_is_held_is_no_other_stacks_although_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    (number,) = free_ports(1, with_grpc=True)
    monkeypatch.setattr("closet_devstack.ports._candidates", lambda: iter([number]))
    another = (
        "from closet_devstack import ports\n"
        f"ports._candidates = lambda: iter([{number}, {number + GRPC_OFFSET}])\n"
        "print(ports.free_ports(1))"
    )
    other_process = [sys.executable, "-c", another]
    assert is_free(number)
    assert "NoFreePort" in subprocess.run(other_process, capture_output=True, text=True, check=False).stderr
    with pytest.raises(NoFreePort):
        free_port()
    monkeypatch.setattr("closet_devstack.ports._MOST_CLAIMS", 1)
    monkeypatch.setattr("closet_devstack.ports._candidates", lambda: iter(range(30_000, 31_000)))
    free_port()  # of more claims than that, the oldest are let go
    monkeypatch.setattr("closet_devstack.ports._candidates", lambda: iter([number]))
    assert free_port() == number
