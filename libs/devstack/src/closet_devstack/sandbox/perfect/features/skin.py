"""Skin analysis: a score and a mask for each concern, as JSON or in a ZIP archive."""

from collections.abc import Sequence
from typing import Any

from closet_devstack.sandbox.perfect.errors import invalid
from closet_devstack.sandbox.perfect.features.archive import archive
from closet_devstack.sandbox.perfect.features.concerns import HD, SD, Finding, examine, overall
from closet_devstack.sandbox.perfect.features.feature import Feature, File, JsonObject, Made, Order, Sku
from closet_devstack.sandbox.perfect.features.reading import choice, file_parameters, picture
from closet_devstack.sandbox.perfect.pictures.inputs import Limits, open_input, require_person
from closet_devstack.sandbox.perfect.pictures.marks import jpeg

_TIER = 4
_AT_MOST = 16
_PRICES = {
    kind: tuple(
        Sku(f"AI Skin Analysis ({kind}, {first}-{first + _TIER - 1} concerns)", units)
        for first, units in zip(range(1, _AT_MOST, _TIER), prices, strict=True)
    )
    for kind, prices in (("SD", (9, 12, 14, 16)), ("HD", (12, 16, 20, 22)))
}
_SD_PICTURE = Limits(longest=None, long_at_least=480, short_at_least=480)
_HD_PICTURE = Limits(longest=None, long_at_least=1080, short_at_least=1080)


def _read(body: JsonObject) -> Order:
    source, concerns = picture(body, "src"), _concerns(body)
    options = {"concerns": concerns, "format": choice(body, "format", ("json", "zip"), default="zip")}
    skus = _PRICES["HD" if _is_hd(concerns) else "SD"]
    return Order((source,), options, skus[(len(concerns) - 1) // _TIER].units)


def _is_hd(concerns: Sequence[str]) -> bool:
    return set(concerns) <= HD


def _concerns(body: JsonObject) -> list[str]:
    named = body.get("dst_actions")
    if not isinstance(named, list) or not 1 <= len(named) <= _AT_MOST:
        raise invalid(f"dst_actions must name from 1 to {_AT_MOST} concerns")
    if not all(isinstance(name, str) for name in named) or len(set(named)) < len(named):
        raise invalid("dst_actions must name each concern once")
    if not (set(named) <= SD or set(named) <= HD):
        raise invalid("dst_actions must be all SD or all HD concerns")
    return named


def _paint(inputs: Sequence[bytes], options: JsonObject) -> Made:
    concerns = options["concerns"]
    face = open_input(inputs[0], limits=_HD_PICTURE if _is_hd(concerns) else _SD_PICTURE)
    require_person(face)
    findings = examine(face, concerns)
    if options["format"] == "zip":
        return Made((File(archive(findings), "zip"),))
    files = tuple(File(mask, "png") for finding in findings if (mask := finding.mask))
    copy = File(jpeg(face.convert("RGB")))
    return Made((*files, copy), lambda urls: {"output": _output(findings, urls)})


def _output(findings: Sequence[Finding], urls: Sequence[str]) -> list[dict[str, Any]]:
    """Every finding, then what is said about the whole, and the vendor's own copy of the face."""
    *masks, copy = urls
    left = iter(masks)
    told = [_told(finding, next(left) if finding.mask else None) for finding in findings]
    whole = overall(findings)
    return [
        *told,
        {"type": "all", "score": whole.score},
        {"type": "skin_age", "score": whole.skin_age},
        {"type": "resize_image", "mask_urls": [copy]},
    ]


def _told(finding: Finding, url: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {"type": finding.concern}
    if finding.region is not None:
        told["region"] = finding.region
    if finding.word is not None:
        return {**told, "skin_type": finding.word}
    told |= {"raw_score": finding.raw_score, "ui_score": finding.ui_score, "mask_urls": [url]}
    return {**told, "score": finding.raw_score} if finding.region == "whole" else told


SKIN = tuple(
    Feature(
        name,
        f"/s2s/{version}/task/skin-analysis",
        (*_PRICES["SD"], *_PRICES["HD"]),
        file_parameters("src") | {"dst_actions", "format", "miniserver_args", "pf_camera_kit"},
        _read,
        _paint,
        is_analysis=True,
    )
    for name, version in (("skin-analysis", "v2.1"), ("skin-analysis-v2.0", "v2.0"))
)
