"""Mapping of a requested size to one that the vendor makes; the result is cropped to the requested one. Pure."""

import math
from collections.abc import Sequence

Pixels = tuple[int, int]

_SIDE_MIN, _SIDE_MAX, _SIDE_STEP = 512, 2048, 16


def nearest(width: int, height: int, offered: Sequence[Pixels]) -> Pixels:
    """Return the offered size of the most similar shape, so that the least of the picture is cropped."""
    return min(offered, key=lambda size: abs(math.log(size[0] / size[1]) - math.log(width / height)))


def within_bounds(width: int, height: int) -> Pixels:
    """Return the same shape with each side from 512 to 2048 and a multiple of 16, as nearly as that goes."""
    scale = max(1.0, _SIDE_MIN / min(width, height))
    scale = min(scale, _SIDE_MAX / max(width, height))
    return _side(width * scale), _side(height * scale)


def _side(length: float) -> int:
    stepped = round(length / _SIDE_STEP) * _SIDE_STEP
    return min(max(stepped, _SIDE_MIN), _SIDE_MAX)
