"""Parsing of the vendor's answers, leniently: what is not as published is left out, never guessed. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from perfect_adapter.vendor.answers import (
    Failed,
    NoAnswer,
    OverallScore,
    PollAnswer,
    Running,
    Score,
    Succeeded,
    UnitCharge,
    VendorTemplate,
)
from perfect_adapter.vendor.bodies import our_concern

_LONGEST_INTERVAL_S = 3600.0
_OVERALL, _SKIN_AGE = "all", "skin_age"
# The vendor's copy of the face is no finding, and not ours to keep.
_NO_CONCERNS = {_OVERALL, _SKIN_AGE, "resize_image"}
_WORD = "skin_type"


def document(raw: bytes) -> Mapping[str, Any]:
    """Return the JSON object in `raw`, of any content type; empty if it is none.

    Every number stays text: ids may be too large for a number elsewhere.
    """
    try:
        found = json.loads(raw, parse_int=str, parse_float=str)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def members(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object of that name, empty if there is none."""
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def rows(parent: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects in the list of that name."""
    value = parent.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(value: object) -> str | None:
    """Return the text, or None if it is none or empty."""
    return value if isinstance(value, str) and value else None


def number(value: object) -> float | None:
    """Return the finite number that came as text, or None."""
    try:
        found = float(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and abs(found) < float("inf") else None


def parse_task(data: Mapping[str, Any]) -> PollAnswer:
    """Return the status of a task."""
    match data.get("task_status"):
        case "running":
            return Running(_interval_s(data.get("polling_interval")))
        case "error":
            return Failed(text(data.get("error")) or "")
        case "success":
            output = members(data, "results").get("output")
            return Succeeded(urls(data.get("results")), scores(output), overall(output))
        case _:
            return NoAnswer("no task_status that we know")


def urls(results: object) -> tuple[str, ...]:
    """Return the URLs of results: one `url`, or a list of them, or of objects with one."""
    if isinstance(results, dict):
        results = results.get("url")
    found = results if isinstance(results, list) else [results]
    texts = [item.get("url") if isinstance(item, dict) else item for item in found]
    return tuple(url for url in texts if isinstance(url, str) and url)


def scores(output: object) -> tuple[Score, ...]:
    """Return the scores of an analysis: `{type, region?, raw_score, ui_score, mask_urls[]}`, or with a word."""
    return tuple(_score(each) for name, each in _items(output) if name not in _NO_CONCERNS)


def overall(output: object) -> OverallScore:
    """Return the scores of the whole face, which stand among the others."""
    found = dict(_items(output))
    return OverallScore(_figure(found.get(_OVERALL)), _figure(found.get(_SKIN_AGE)))


def _items(output: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for each in output if isinstance(output, list) else []:
        if isinstance(each, dict) and (name := text(each.get("type"))):
            yield name, each


def _score(each: Mapping[str, Any]) -> Score:
    masks = each.get("mask_urls")
    mask = text(masks[0]) if isinstance(masks, list) and masks else None
    return _finding(str(each["type"]), each, text(each.get("region")), mask)


def _finding(name: str, each: Mapping[str, Any], region: str | None, mask_url: str | None = None) -> Score:
    raw, ui = (number(each.get(field)) for field in ("raw_score", "ui_score"))
    shown = ui if ui is not None else number(each.get("score"))
    return Score(our_concern(name), raw, shown, region=region, mask_url=mask_url, word=text(each.get(_WORD)))


def score_file(info: Mapping[str, Any]) -> Iterator[tuple[Score, str | None]]:
    """Yield the scores of a `score_info.json`, each with its mask's file name: flat, or by region of the face."""
    for name, found in info.items():
        if not isinstance(found, dict) or name in _NO_CONCERNS:
            continue
        by_region = {None: found} if {"ui_score", "raw_score"} & found.keys() else found
        for region, each in by_region.items():
            if isinstance(each, dict):
                yield _finding(name, each, region), text(each.get("output_mask_name"))
            elif word := text(each):
                yield Score(our_concern(name), None, None, region=None if region == _WORD else region, word=word), None


def overall_of_file(info: Mapping[str, Any]) -> OverallScore:
    """Return the scores of the whole face in a `score_info.json`."""
    return OverallScore(_figure(info.get(_OVERALL)), _figure(info.get(_SKIN_AGE)))


def _figure(value: object) -> float | None:
    """Return a number, or the one that an object holds."""
    if not isinstance(value, dict):
        return number(value)
    return next((each for name in ("score", "ui_score", "raw_score") if (each := number(value.get(name)))), None)


def charges(history: Sequence[Mapping[str, Any]]) -> tuple[UnitCharge, ...]:
    """Return the entries of the history that name a task and a time, which comes in milliseconds."""
    found = [(text(each.get("target_id")), number(each.get("timestamp"))) for each in history]
    return tuple(
        UnitCharge(task_id, datetime.fromtimestamp(at / 1000, UTC))
        for task_id, at in found
        if task_id and at is not None
    )


def units(results: Sequence[Mapping[str, Any]]) -> int:
    """Return the balance: the sum over the account's tokens."""
    return int(sum(number(each.get("amount_dec")) or 0.0 for each in results))


def templates(data: Mapping[str, Any]) -> tuple[VendorTemplate, ...]:
    """Return the templates that have an id."""
    return tuple(
        VendorTemplate(
            template_id, text(each.get("title")) or "", text(each.get("category_name")), text(each.get("thumb"))
        )
        for each in rows(data, "templates")
        if (template_id := text(each.get("id")))
    )


def _interval_s(value: object) -> float:
    seconds = number(value) or 0.0
    return seconds if 0 <= seconds < _LONGEST_INTERVAL_S else 0.0
