"""A skin analysis as a ZIP archive."""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import orjson

from closet_devstack.sandbox.perfect.features.concerns import Finding, overall

_LONG_AGO = (2026, 1, 1, 0, 0, 0)  # the same bytes for the same findings
_FOLDER = "skinanalysisResult"


def archive(findings: Sequence[Finding]) -> bytes:
    """A folder with `score_info.json`, and a mask for each finding that has one."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        _write(file, "score_info.json", orjson.dumps(_score_info(findings)))
        for finding in findings:
            if finding.mask:
                _write(file, _mask_name(finding), finding.mask)
    return out.getvalue()


def _score_info(findings: Sequence[Finding]) -> dict[str, Any]:
    """Each concern by its name, flat or by region, and what is said about the whole."""
    info: dict[str, Any] = {}
    for finding in findings:
        if finding.region is None:
            info[finding.concern] = _told(finding)
        else:
            info.setdefault(finding.concern, {})[finding.region] = _told(finding)
    whole = overall(findings)
    return {**info, "all": {"score": whole.score}, "skin_age": whole.skin_age}


def _told(finding: Finding) -> dict[str, Any]:
    if finding.word is not None:
        return {"skin_type": finding.word}
    return {
        "raw_score": finding.raw_score,
        "ui_score": finding.ui_score,
        "output_mask_name": _mask_name(finding),
    }


def _mask_name(finding: Finding) -> str:
    region = {None: "", "whole": "_all"}.get(finding.region, f"_{finding.region}")
    return f"{finding.concern}_output{region}.png"


def _write(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    file.writestr(zipfile.ZipInfo(f"{_FOLDER}/{name}", _LONG_AGO), data)
