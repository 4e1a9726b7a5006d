"""Which servers to use: those given by URL, else child processes of ours, else containers.

`CLOSET_NATS_URL` (a user that may do everything), `CLOSET_POSTGRES_URL` (a superuser) and `S3_ENDPOINT` (with the other
S3_* settings) give one each.
"""

import os
from pathlib import Path
from typing import TypeAlias

from closet_operator.permissions import server_users

from closet_devstack.bus import new_passwords
from closet_devstack.process import is_installed
from closet_devstack.servers.containers import NatsContainer, PostgresContainer, S3Container
from closet_devstack.servers.nats import GivenNats, NatsServer
from closet_devstack.servers.postgres import GivenPostgres, PostgresServer
from closet_devstack.servers.reach import is_postgres_installed
from closet_devstack.servers.s3 import GivenS3, S3Server

Nats: TypeAlias = NatsServer | NatsContainer | GivenNats
Postgres: TypeAlias = PostgresServer | PostgresContainer | GivenPostgres
S3: TypeAlias = S3Server | S3Container | GivenS3


def choose_nats(folder: Path, *, durable: bool) -> Nats:
    if url := os.environ.get("CLOSET_NATS_URL"):
        return GivenNats(url)
    if is_installed("nats-server"):
        return NatsServer(folder, new_passwords(), server_users, durable=durable)
    return NatsContainer(new_passwords(), server_users, durable=durable)


def choose_postgres(folder: Path, *, durable: bool) -> Postgres:
    if url := os.environ.get("CLOSET_POSTGRES_URL"):
        return GivenPostgres(url)
    return PostgresServer(folder, durable=durable) if is_postgres_installed() else PostgresContainer()


def choose_s3(folder: Path) -> S3:
    if os.environ.get("S3_ENDPOINT"):
        return GivenS3(os.environ)
    return S3Server(folder) if is_installed("weed") else S3Container()
