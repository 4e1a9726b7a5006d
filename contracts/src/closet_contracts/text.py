"""Text that every part can store and show: PostgreSQL takes no NUL, JSON and UTF-8 no lone surrogate.

A string that one part takes and the next cannot store would die on its way, with everything that depends on it.

Further constraints stand before `PLAIN` and `ONE_LINE`: `Annotated[str, StringConstraints(max_length=9), ONE_LINE]`.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True, slots=True)
class Without:
    """Text without these characters (the inside of a regular expression's brackets) and without lone surrogates."""

    characters: str
    sentence: str
    is_told: bool = True  # in schemas

    @property
    def pattern(self) -> str:
        """What a schema tells of it. Surrogates cannot be told of: in JSON they are no characters."""
        return f"^[^{self.characters}]*$"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        refused = re.compile(rf"[{self.characters}\ud800-\udfff]")

        def check(value: str) -> str:
            if refused.search(value):
                raise ValueError(self.sentence)
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        told = handler(schema)
        return {**told, "pattern": self.pattern} if self.is_told else told


PLAIN = Without(
    r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f",
    "there are no control characters in text but tabs and breaks",
)
"""What people write: no DEL, no C0 and C1 control characters but tab, line feed and carriage return."""

ONE_LINE = Without(r"\u0000-\u001f\u007f-\u009f", "there are no control characters in one line of text")
"""Neither tabs nor line breaks: identifiers, names, keys."""

STORABLE_PATTERNS = frozenset({PLAIN.pattern, ONE_LINE.pattern})
"""Patterns that refuse only what could never be handled: no schema breaks by telling of it."""

Storable = Annotated[str, Without(r"\u0000", "there are no NUL characters in text", is_told=False)]
"""What PostgreSQL and JSON can hold: without NUL and lone surrogates. For what the vendor and we ourselves write."""

Line = Annotated[str, ONE_LINE]
