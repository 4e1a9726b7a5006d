"""Settings that every service has; a service adds its own in a subclass."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]

Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...],
    NoDecode,
    BeforeValidator(lambda value: value.replace(",", " ").split() if isinstance(value, str) else value),
]
"""Networks or single addresses, separated by commas or spaces."""

Port = Annotated[int, Field(ge=0, le=65535)]
"""0: any free one."""


class ServiceSettings(BaseSettings):
    """Read from the environment as `CLOSET_<FIELD>`.

    A field with a `validation_alias` is read under exactly that name (`S3_ENDPOINT`). Values never show in errors;
    give a field that holds a secret `repr=False`.
    """

    model_config = SettingsConfigDict(
        env_prefix="CLOSET_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )

    database_url: str = Field(repr=False)
    migrations_url: str = Field(default="", repr=False)
    """The database as its owner, who migrates it; without it the service's own role does, and owns what it makes."""
    nats_url: str = Field(repr=False)
    outbox_max_age_s: float = Field(default=60.0, gt=0)
    """Not ready while an event has waited for so long to be published."""
    http_host: str = "127.0.0.1"
    http_port: Port = 8080
    http_header_timeout_s: float = Field(default=10.0, gt=0)
    http_body_timeout_s: float = Field(default=30.0, gt=0)
    http_idle_timeout_s: float = Field(default=75.0, gt=0)  # longer than a proxy keeps its own connections
    http_write_timeout_s: float = Field(default=60.0, gt=0)
    http_max_connections: int = Field(default=10_000, ge=1)
    http_max_connections_per_address: int = Field(default=1_000, ge=1)
    http_proxies: Networks = ()
    admin_host: str = "127.0.0.1"
    admin_port: Port = 9464
    log_level: LogLevel = "INFO"
    migrate: bool = True
    pool_size: int = Field(default=10, ge=1)
    stop_timeout_s: float = Field(default=20.0, gt=0)


def explain(settings: type[ServiceSettings], error: ValidationError) -> str:
    """What is wrong with the environment, by the names people set, without values."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{_environment_name(settings, str(item['loc'][0]))}: {item['msg']}" for item in found)


def _environment_name(settings: type[ServiceSettings], name: str) -> str:
    field = settings.model_fields.get(name)
    if field is None or isinstance(field.validation_alias, str):
        return str(field.validation_alias) if field else name
    return f"{settings.model_config.get('env_prefix', '')}{name}".upper()
