"""Skin analysis: a score and a mask for each concern, as JSON or in a ZIP archive."""

from collections.abc import Sequence
from typing import Any

from closet_devstack.sandbox.perfect.errors import invalid
from closet_devstack.sandbox.perfect.features.archive import archive
from closet_devstack.sandbox.perfect.features.concerns import HD, SD, Finding, examine
from closet_devstack.sandbox.perfect.features.feature import Feature, File, JsonObject, Made, Order, Sku
from closet_devstack.sandbox.perfect.features.reading import choice, picture
from closet_devstack.sandbox.perfect.pictures.inputs import open_input, require_person

_FEW = Sku("AI Skin Analysis (1-4 concerns)", 9)
_MANY = Sku("AI Skin Analysis (5-7 concerns)", 12)
_FEW_AT_MOST, _AT_MOST = 4, 7


def _read(body: JsonObject) -> Order:
    source, concerns = picture(body, "src"), _concerns(body)
    options = {"concerns": concerns, "format": choice(body, "format", ("json", "zip"), default="zip")}
    return Order((source,), options, (_FEW if len(concerns) <= _FEW_AT_MOST else _MANY).units)


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
    face = open_input(inputs[0])
    require_person(face)
    if options["format"] == "zip":
        return Made((File(archive(examine(face, options["concerns"], by_region=False)), "zip"),))
    findings = examine(face, options["concerns"], by_region=True)
    files = tuple(File(finding.mask, "png") for finding in findings)
    return Made(files, lambda urls: {"output": [_told(*each) for each in zip(findings, urls, strict=True)]})


def _told(finding: Finding, url: str) -> dict[str, Any]:
    told = {"type": finding.concern, "raw_score": finding.raw_score, "ui_score": finding.ui_score, "mask_urls": [url]}
    if finding.region is None:
        return told
    told["region"] = finding.region
    return {**told, "score": finding.raw_score} if finding.region == "whole" else told


SKIN = tuple(
    Feature(name, f"/s2s/{version}/task/skin-analysis", (_FEW, _MANY), _read, _paint, is_analysis=True)
    for name, version in (("skin-analysis", "v2.1"), ("skin-analysis-v2.0", "v2.0"))
)
