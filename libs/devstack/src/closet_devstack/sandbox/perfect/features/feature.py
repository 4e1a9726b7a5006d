"""What every feature is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """A create call, understood: the pictures to fetch, and the rest."""

    urls: tuple[str, ...]
    options: JsonObject


@dataclass(frozen=True, slots=True)
class Feature:
    """A kind of task.

    `read` understands the body of a create call, and raises Refused. `paint` makes the results' bytes from the inputs'
    bytes, in a thread, and raises EngineError.
    """

    name: str
    path: str
    description: str
    units: int
    read: Callable[[JsonObject], Order]
    paint: Callable[[Sequence[bytes], JsonObject], list[bytes]]
