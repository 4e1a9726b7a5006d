"""Percentiles."""

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that `share` percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


def p50_p99(values: Sequence[float]) -> dict[str, float] | None:
    """Both, rounded to hundredths; None of nothing."""
    if not values:
        return None
    return {"p50": round(percentile(values, 50), 2), "p99": round(percentile(values, 99), 2)}
