"""Nothing but S3, and that only with a key, gives or takes an object: on none of the ports that its process opens."""

from collections.abc import Iterator

import psutil
import pytest
from closet_devstack import samples
from closet_devstack.folders import throw_away
from closet_devstack.ports import GRPC_OFFSET
from closet_devstack.servers.s3 import S3Server
from closet_devstack.servers.s3_security import certificate_files
from closet_storage.objects import ObjectStore, open_store
from closet_storage.signing import Signer

from .strangers import DELETES, KEY, PATHS, WRITES, asked, greets_in_http2, listening, stranger

PICTURE = samples.person_jpeg()


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with throw_away() as folder, S3Server(folder / "s3") as one:
        yield one


def ports(server: S3Server) -> set[int]:
    return {port for _, port in listening(psutil.Process(server.pid))}


async def intact(store: ObjectStore) -> bool:
    return await store.get(KEY, max_bytes=2 * len(PICTURE)) == PICTURE


def test_it_listens_on_the_loopback_address_alone(server: S3Server) -> None:
    assert {address for address, _ in listening(psutil.Process(server.pid))} == {"127.0.0.1"}


async def test_over_http_no_port_serves_or_takes_a_picture_without_a_key(server: S3Server) -> None:
    async with open_store(Signer.of(server.access()), "AES256") as store:
        await store.put(KEY, PICTURE, "image/jpeg")
        assert len(ports(server)) >= 8, "master, volume, filer and S3, each with gRPC"
        for port in ports(server):
            for path in PATHS:
                status, body = await asked(port, "GET", path)
                assert status == 0 or status >= 400, f"{port}{path}"
                assert PICTURE[:1000] not in body
            for method, path in WRITES:
                status, _ = await asked(port, method, path, b"another picture")
                assert status == 0 or status >= 400, f"{method} {port}{path}"
            for path in DELETES:
                status, _ = await asked(port, "DELETE", path)
                assert status == 0 or status >= 400, f"DELETE {port}{path}"
        assert await intact(store)


@pytest.mark.parametrize("part", ["master", "volume", "filer", "s3"])
def test_over_grpc_no_part_speaks_with_a_stranger(server: S3Server, part: str) -> None:
    port = server._ports[part] + GRPC_OFFSET
    assert not greets_in_http2(port, None)
    assert not greets_in_http2(port, stranger())
    known = stranger()
    known.load_cert_chain(*certificate_files(server.folder))
    assert greets_in_http2(port, known), "with the certificate it would: the question is put rightly"
