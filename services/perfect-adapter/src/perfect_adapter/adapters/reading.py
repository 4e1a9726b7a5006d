"""What the vendor's answers say, read leniently: what is not as published is left out, never guessed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from perfect_adapter.adapters.calls import members, number, rows, text
from perfect_adapter.domain.account import Charge, Style
from perfect_adapter.domain.bodies import our_concern
from perfect_adapter.ports import Failed, Look, NoAnswer, Running, Score, Succeeded

_LONGEST_PATIENCE_S = 3600.0


def look(data: Mapping[str, Any]) -> Look:
    """How a task stands."""
    match data.get("task_status"):
        case "running":
            return Running(_patience(data.get("polling_interval")))
        case "error":
            return Failed(text(data.get("error")) or "")
        case "success":
            return Succeeded(urls(data.get("results")), scores(members(data, "results").get("output")))
        case _:
            return NoAnswer("no task_status that we know")


def urls(results: object) -> tuple[str, ...]:
    """One `url`, or a list of them, or of objects with one."""
    if isinstance(results, dict):
        results = results.get("url")
    found = results if isinstance(results, list) else [results]
    texts = [item.get("url") if isinstance(item, dict) else item for item in found]
    return tuple(url for url in texts if isinstance(url, str) and url)


def scores(output: object) -> tuple[Score, ...]:
    """The scores of an analysis: `{type, region?, raw_score, ui_score, mask_urls[]}`."""
    found = output if isinstance(output, list) else []
    return tuple(_score(each) for each in found if isinstance(each, dict) and text(each.get("type")))


def _score(each: Mapping[str, Any]) -> Score:
    masks = each.get("mask_urls")
    mask = text(masks[0]) if isinstance(masks, list) and masks else None
    raw, ui = (number(each.get(name)) for name in ("raw_score", "ui_score"))
    shown = ui if ui is not None else number(each.get("score"))
    return Score(our_concern(str(each["type"])), raw, shown, text(each.get("region")), mask)


def score_file(info: Mapping[str, Any]) -> Iterator[tuple[Score, str | None]]:
    """The scores of a `score_info.json`, each with its mask's file name: flat, or by region of the face."""
    for name, found in info.items():
        if not isinstance(found, dict) or name == "all":
            continue
        by_region = {None: found} if "ui_score" in found else found
        for region, each in by_region.items():
            if isinstance(each, dict):
                raw, ui = number(each.get("raw_score")), number(each.get("ui_score"))
                yield Score(our_concern(name), raw, ui, region), text(each.get("output_mask_name"))


def charges(history: Sequence[Mapping[str, Any]]) -> tuple[Charge, ...]:
    """Lines of the history that name a task and a time, which comes in milliseconds."""
    found = [(text(each.get("target_id")), number(each.get("timestamp"))) for each in history]
    return tuple(
        Charge(task_id, datetime.fromtimestamp(at / 1000, UTC)) for task_id, at in found if task_id and at is not None
    )


def units(results: Sequence[Mapping[str, Any]]) -> int:
    """The balance: the sum over the account's tokens."""
    return int(sum(number(each.get("amount_dec")) or 0.0 for each in results))


def styles(data: Mapping[str, Any]) -> tuple[Style, ...]:
    """Templates with an id."""
    return tuple(
        Style(template_id, text(each.get("title")) or "", text(each.get("category_name")), text(each.get("thumb")))
        for each in rows(data, "templates")
        if (template_id := text(each.get("id")))
    )


def _patience(value: object) -> float:
    seconds = number(value) or 0.0
    return seconds if 0 <= seconds < _LONGEST_PATIENCE_S else 0.0
