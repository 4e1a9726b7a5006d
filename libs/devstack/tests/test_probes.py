"""What is asked whether it is ready may be somebody else, who has taken its port."""

from closet_devstack.parts import Nats
from closet_devstack.servers.probes import http_is_ok
from yarl import URL


def test_a_server_that_speaks_no_http_is_not_ready(bare_nats_server: Nats) -> None:
    assert http_is_ok(f"http://127.0.0.1:{URL(bare_nats_server.url('operator')).port}/readyz") is False
