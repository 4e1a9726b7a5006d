"""Settings that every service has; a service adds its own in a subclass."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]


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
    nats_url: str = Field(repr=False)
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535)  # 0: any free one
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
