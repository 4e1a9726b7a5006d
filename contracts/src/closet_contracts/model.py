"""The base of every message model: camelCase JSON outside, snake_case inside, immutable."""

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic.alias_generators import to_camel


def _whole(value: Any) -> Any:  # noqa: ANN401  what is no number is refused later
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""Behind an integer's other constraints: 312.0 is one too, as in JSON Schema, also where nothing else is converted."""


class Model(BaseModel):
    """A message or a part of one. Unknown fields are ignored, so that additions stay compatible."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="ignore",
        frozen=True,
    )


TOLERANT = {"tolerant": True}
"""Context of validation for what others have sent: they may be of a newer release, and know kinds that we do not."""


def is_tolerant(info: ValidationInfo) -> bool:
    """Whether what is validated was sent by others."""
    return bool(info.context and info.context.get("tolerant"))


def open_union(discriminator: str) -> Any:  # noqa: ANN401  what pydantic calls a field
    """A union told apart by that field to which choices may be added: its readers take those that they do not know.

    See docs/decisions/0001-open-unions.md.
    """
    return Field(discriminator=discriminator, json_schema_extra={"x-open": True})


def summary(model: type[Model]) -> str:
    """The first line of a model's docstring: what documents say of it."""
    return (model.__doc__ or "").strip().partition("\n")[0]
