"""What every feature is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from closet_devstack.sandbox.perfect.errors import Refused

JsonObject = Mapping[str, Any]

# The first version of the API wanted a number with each call; clients of both versions go on sending it.
_OF_THE_FIRST_API = frozenset({"request_id"})


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an input is: behind a URL, among the uploaded files, or in the call itself."""

    role: Literal["src", "ref", "msk"]
    url: str | None = None
    file_id: str | None = None
    data: bytes | None = None

    @property
    def place(self) -> str:
        """For people: a URL's path without its query, which may be a signature; or the file's id."""
        return urlsplit(self.url).path if self.url else self.file_id or "inline"


@dataclass(frozen=True, slots=True)
class Order:
    """A create call, understood: the pictures to fetch, the rest, and what it costs if it succeeds."""

    references: tuple[Reference, ...]
    options: JsonObject
    units: int


@dataclass(frozen=True, slots=True)
class File:
    """A part of a result, to be downloaded."""

    data: bytes
    suffix: Literal["jpg", "png", "zip"] = "jpg"


def one_url(urls: Sequence[str]) -> dict[str, Any]:
    """How most results are told."""
    return {"url": urls[0]}


@dataclass(frozen=True, slots=True)
class Made:
    """What a task made: its files, and how `data.results` tells of them, given a URL for each."""

    files: tuple[File, ...]
    told: Callable[[Sequence[str]], dict[str, Any]] = one_url


@dataclass(frozen=True, slots=True)
class Sku:
    """A line of the price list."""

    description: str
    units: int


@dataclass(frozen=True, slots=True)
class Template:
    """A ready-made style. `look` is the feature's own business."""

    id: str
    title: str
    category: str
    look: JsonObject


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """A kind of task.

    `parameters` are the names that the body of a create call may have; `read` understands it, and raises Refused.
    `paint` makes the result from the inputs' bytes, in a thread, and raises EngineError. `thumb` draws a template.
    """

    name: str
    path: str
    skus: tuple[Sku, ...]
    parameters: frozenset[str]
    read: Callable[[JsonObject], Order]
    paint: Callable[[Sequence[bytes], JsonObject], Made]
    templates: tuple[Template, ...] = ()
    thumb: Callable[[Template], bytes] = lambda _template: b""
    is_analysis: bool = False
    """It tells about a picture instead of making one."""

    @property
    def file_path(self) -> str | None:
        """Its own, older path for announcing files, beside the one for all; None if it takes none."""
        takes_files = any(parameter.endswith(("_file_id", "_file_ids")) for parameter in self.parameters)
        return self.path.replace("/task/", "/file/") if takes_files else None

    def understand(self, body: JsonObject) -> Order:
        """Read the body of a create call.

        Raises:
            Refused: a parameter is unknown, or has a value that the vendor does not take.
        """
        if unknown := body.keys() - self.parameters - _OF_THE_FIRST_API:
            raise Refused(400, "BadRequest", f"Unexpected request parameter: {', '.join(sorted(unknown))}")
        return self.read(body)
