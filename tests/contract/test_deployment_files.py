"""What the compose file's servers read agrees with the catalogue and with the embedded stack."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from closet_contracts.ownership import Service
from closet_devstack.servers.s3 import IDENTITIES
from closet_operator.permissions import password_variable, server_users

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_the_bus_users_are_what_the_catalogue_says() -> None:
    assert (ROOT / "deploy/compose/users.conf").read_text() == server_users(), "run `make contracts`"


def test_the_bus_takes_its_configuration() -> None:
    variables = {password_variable(user): "secret" for user in (*Service, "operator")}
    check = subprocess.run(  # noqa: S603 - the server's own check of a file of ours
        [Path(sys.executable).parent / "nats-server", "-c", "nats.conf", "-t"],
        cwd=ROOT / "deploy/compose",
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr


def test_every_service_runs_as_itself() -> None:
    server = COMPOSE["services"]["nats"]["environment"]
    for service in Service:
        settings = COMPOSE["services"][service]["environment"]
        assert settings["CLOSET_NATS_URL"] == f"nats://{service}:{server[password_variable(service)]}@nats:4222"
        database = service.replace("-", "_")
        assert settings["CLOSET_DATABASE_URL"].startswith(f"postgresql://{database}:")
        assert settings["CLOSET_MIGRATIONS_URL"].startswith(f"postgresql://{database}_owner:")
        assert (
            f"CREATE DATABASE {database} OWNER {database}_owner;"
            in (ROOT / "deploy/compose/postgres-init.sql").read_text()
        )


def test_storage_identities_are_those_of_the_embedded_stack() -> None:
    identities = json.loads((ROOT / "deploy/compose/s3.json").read_text())["identities"]
    told = {one["name"]: {action.replace("closet-media/", "") for action in one["actions"]} for one in identities}
    assert told == {"admin": {"Admin"}, **{name: set(actions) for name, actions in IDENTITIES.items()}}
