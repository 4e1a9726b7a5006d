"""JSON from strangers, as strictly as it must be taken for PostgreSQL to store it."""

import json
import re
from collections.abc import Iterable
from typing import Any

import orjson

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # an escape, not the text of one

MAX_DEPTH = 64  # far more than anybody sends, far less than what writing it down again can take


def parse_json(raw: bytes, *, numbers_as_text: bool = False) -> Any:  # noqa: ANN401  any JSON
    """What `raw` says: UTF-8, without NaN, NUL characters or lone surrogates, nested at most `MAX_DEPTH` deep.

    Args:
        raw: the text.
        numbers_as_text: leave every number the text that it is: ids may have more digits than a number keeps.

    Raises:
        ValueError: it is no such JSON.
    """
    value = orjson.loads(raw)
    if _NUL.search(raw):
        raise ValueError("a NUL character")
    if _is_deeper(value, MAX_DEPTH):
        raise ValueError("nested too deeply")
    return json.loads(raw, parse_int=str, parse_float=str) if numbers_as_text else value


def _is_deeper(value: object, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [child for node in level for child in _children(node)]
    return bool(level)


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()
