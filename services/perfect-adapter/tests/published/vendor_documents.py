"""What the vendor's published documents allow (requests.yaml, pictures.yaml), held against what was sent."""

import io
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from PIL import Image
from vendor_recorder import Sent

FOLDER = Path(__file__).parent
REQUESTS: dict[str, Any] = yaml.safe_load((FOLDER / "requests.yaml").read_text())
PICTURES: dict[str, Any] = yaml.safe_load((FOLDER / "pictures.yaml").read_text())
OPERATIONS: dict[str, dict[str, str]] = REQUESTS["operations"]


@cache
def _schema(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": REQUESTS["$defs"]})


@cache
def _pattern(operation: str) -> re.Pattern[str]:
    return re.compile(re.escape(operation).replace(r"\{task_id\}", "[^/]+").replace(r"\ ", " "))


def operation_of(sent: Sent) -> str | None:
    """Which of the published ones it is."""
    found = [each for each in OPERATIONS if _pattern(each).fullmatch(f"{sent.method} {sent.path}")]
    return next((each for each in found if "{" not in each), found[0] if found else None)


def problems(sent: Sent) -> list[str]:
    """What the documents do not allow of it."""
    operation = operation_of(sent)
    if operation is None:
        return [f"{sent.method} {sent.path}: not published"]
    wanted = OPERATIONS[operation]
    found = [
        *_errors("headers", _without_the_sandboxs(sent.headers)),
        *_errors(wanted.get("query", "nothing"), sent.query),
    ]
    if "body" in wanted:
        found += _errors(wanted["body"], sent.body)
        found += [] if "content-type" in sent.headers else ["a body without a content type"]
    elif sent.raw:
        found.append("a body where none is published")
    return [f"{operation}: {each}" for each in found]


def _without_the_sandboxs(headers: Mapping[str, str]) -> dict[str, str]:
    """Our address is told to sandboxes alone, over plain HTTP."""
    return {name: value for name, value in headers.items() if name != "x-sandbox-egress"}


def _errors(name: str, value: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in _schema(name).iter_errors(value)]


def names_of_pictures(body: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """`(src, url, https://...)` for each picture that an order names."""
    for name, value in body.items():
        if found := re.fullmatch(r"(src|ref|msk)_file_(url|id)s?", name):
            for one in value if isinstance(value, list) else [value]:
                yield found[1], found[2], one


def picture_problems(operation: str, body: Mapping[str, Any], pictures: Mapping[str, bytes]) -> list[str]:
    """What the documents do not allow of an order's pictures; each has to be of some kind that they describe."""
    images = {name: Image.open(io.BytesIO(data)) for name, data in pictures.items()}
    found: list[str] = []
    for name, data in pictures.items():
        limits = [each for each in PICTURES["features"][operation] if each["of"] == name and _holds(each, body)]
        found += [f"{name}: {len(limits)} descriptions hold"] if len(limits) != 1 else _beyond(limits[0], name, images)
        found += [f"{name}: {len(data)} bytes"] if len(data) > PICTURES["max_bytes"] else []
    return [f"{operation}: {each}" for each in found]


def _holds(limits: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    return Draft202012Validator(limits.get("when", True)).is_valid(body)


def _beyond(limits: Mapping[str, Any], name: str, images: Mapping[str, Image.Image]) -> Iterator[str]:
    image = images[name]
    short, long = sorted(image.size)
    if image.format not in limits["formats"]:
        yield f"{name}: {image.format}"
    if short < limits.get("min_short", 0) or not limits.get("min_long", 0) <= long <= limits.get("max_long", long):
        yield f"{name}: {image.size}"
    if limits.get("grey") and image.mode not in {"L", "1"}:
        yield f"{name}: {image.mode}"
    if "same_size_as" in limits and image.size != images[limits["same_size_as"]].size:
        yield f"{name}: {image.size}, not {images[limits['same_size_as']].size}"
