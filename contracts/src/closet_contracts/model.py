"""The base of every message model: camelCase JSON outside, snake_case inside, immutable."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


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


def summary(model: type[Model]) -> str:
    """The first line of a model's docstring: what documents say of it."""
    return (model.__doc__ or "").strip().partition("\n")[0]
