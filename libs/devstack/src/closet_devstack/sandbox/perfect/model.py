"""What all documents of the control side have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Natural = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


class Document(BaseModel):
    """camelCase outside; a misspelt name is an error."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid", serialize_by_alias=True)
