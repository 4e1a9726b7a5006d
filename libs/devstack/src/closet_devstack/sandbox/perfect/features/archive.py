"""A skin analysis as a ZIP archive."""

import io
import zipfile
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import orjson

from closet_devstack.sandbox.perfect.features.concerns import Finding

_LONG_AGO = (2026, 1, 1, 0, 0, 0)  # the same bytes for the same findings
_YOUNGEST = 18


def archive(findings: Sequence[Finding]) -> bytes:
    """`score_info.json`, and a mask for each concern."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        _write(file, "score_info.json", orjson.dumps(_score_info(findings)))
        for finding in findings:
            _write(file, _mask_name(finding), finding.mask)
    return out.getvalue()


def _score_info(findings: Sequence[Finding]) -> dict[str, Any]:
    scores: dict[str, Any] = {
        finding.concern: {
            "raw_score": finding.raw_score,
            "ui_score": finding.ui_score,
            "output_mask_name": _mask_name(finding),
        }
        for finding in findings
    }
    overall = fmean(finding.raw_score for finding in findings)
    return {**scores, "all": {"score": round(overall, 3)}, "skin_age": _YOUNGEST + round((100 - overall) / 2)}


def _mask_name(finding: Finding) -> str:
    return f"{finding.concern}_output.png"


def _write(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    file.writestr(zipfile.ZipInfo(name, _LONG_AGO), data)
