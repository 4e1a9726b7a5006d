"""From the numbers in a file to sRGB, as browsers show them: by profile, or by gamma and chromaticities."""

import io
import struct
from collections.abc import Callable, Sequence

from PIL import Image, ImageChops, ImageCms

from closet_storage.containers import Chromaticities, Colour

_SRGB_GAMMA = 1 / 2.2  # by which gAMA stands for sRGB's curve
_CLOSE = 0.0005
_SRGB: Chromaticities = (0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
_ALIKE = 2  # of 255: what two profiles for the same colours may differ by
_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}
# From one white point to another, by how strongly the eye's three receptors answer.
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_D50 = (0.96422, 1.0, 0.82521)

Matrix = Sequence[Sequence[float]]


def is_srgb(image: Image.Image, colour: Colour) -> bool:
    """Whether its numbers may be shown as they are."""
    if image.mode == "CMYK" or curve(colour):
        return False
    return _transform(_plain(image.mode), colour) is None


def in_srgb(image: Image.Image, colour: Colour) -> Image.Image:
    """RGB, or RGBA where something shows through, from L, LA, RGB, RGBA or CMYK that is under sRGB's `curve`."""
    alpha = image.getchannel("A") if image.mode in {"LA", "RGBA"} else None
    shown = image.convert(_plain(image.mode)) if alpha else image
    if found := _transform(shown.mode, colour):
        mode, transform = found
        shown = ImageCms.applyTransform(_as(shown, mode), transform) or shown
    shown = _as(shown, "RGB")
    if alpha:
        shown.putalpha(alpha)
    return shown


def _as(image: Image.Image, mode: str) -> Image.Image:
    """In this mode; no copy, which large pictures have no room for, if it is in it already."""
    return image if image.mode == mode else image.convert(mode)


def _plain(mode: str) -> str:
    """The mode of the colours alone, as they are when they are full ones of eight bits."""
    return {"P": "RGB", "PA": "RGB", "1": "L", "I;16": "L", "I": "L"}.get(mode, mode.removesuffix("A"))


def curve(colour: Colour) -> Callable[[float], float] | None:
    """What brings values of 0 to 1 under sRGB's curve; None if they are there, or a profile says how."""
    gamma = colour.gamma
    if colour.icc or gamma is None or abs(gamma - _SRGB_GAMMA) < _CLOSE:
        return None
    return lambda value: _encode(value ** (1 / gamma))


def _encode(light: float) -> float:
    """IEC 61966-2-1, from linear light."""
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055  # noqa: PLR2004


def _transform(mode: str, colour: Colour) -> tuple[str, ImageCms.ImageCmsTransform] | None:
    """What brings the colours to sRGB, and the mode it takes; None if they are there, or it cannot be told."""
    try:
        if not (profile := _profile(mode, colour)):
            return None
        taken = _MODES.get(profile.profile.xcolor_space.strip(), "")
        if not (taken == mode or (taken == "RGB" and mode == "L")):
            return None  # a profile for another kind of picture: viewers do without
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), taken, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, OverflowError):
        return None
    return None if _changes_nothing(taken, transform) else (taken, transform)


def _profile(mode: str, colour: Colour) -> ImageCms.ImageCmsProfile | None:
    if colour.icc:
        return ImageCms.ImageCmsProfile(io.BytesIO(colour.icc))
    places = colour.chromaticities
    if mode != "RGB" or not places or all(abs(a - b) < _CLOSE for a, b in zip(places, _SRGB, strict=True)):
        return None
    return ImageCms.ImageCmsProfile(io.BytesIO(_with_primaries(places)))


def _changes_nothing(mode: str, transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether it is a profile of sRGB, whatever it is called."""
    if mode == "CMYK":
        return False
    steps = range(0, 256, 17)
    if mode == "L":
        sample = Image.frombytes("L", (16, 1), bytes(steps))
    else:
        sample = Image.frombytes(
            "RGB", (256, 16), bytes(value for r in steps for g in steps for b in steps for value in (r, g, b))
        )
    made = ImageCms.applyTransform(sample, transform)
    if made is None:
        return True
    differences = ImageChops.difference(made, sample.convert("RGB")).getextrema()
    return all(high <= _ALIKE for _, high in differences)  # type: ignore[misc]


def _with_primaries(places: Chromaticities) -> bytes:
    """The profile of sRGB with other primaries and another white point.

    Raises:
        ValueError: no colours can be made of these.
    """
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    columns = zip(*_to_d50(places), strict=True)
    for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True):
        entry = profile.index(name, 128)
        (offset,) = struct.unpack_from(">I", profile, entry + 4)
        struct.pack_into(">3i", profile, offset + 8, *(round(value * 65536) for value in xyz))
    return bytes(profile)


def _to_d50(places: Chromaticities) -> Matrix:
    """From linear RGB to XYZ under D50, as ICC profiles give it."""
    white, *primaries = (_xyz(x, y) for x, y in zip(places[::2], places[1::2], strict=True))
    columns = list(zip(*primaries, strict=True))
    scales = _times(_inverse(columns), white)
    to_xyz = [[value * scale for value, scale in zip(row, scales, strict=True)] for row in columns]
    seen, wanted = _times(_BRADFORD, white), _times(_BRADFORD, _D50)
    ratios = [b / a for a, b in zip(seen, wanted, strict=True)]
    scaled = [[value * ratio for value in row] for row, ratio in zip(_BRADFORD, ratios, strict=True)]
    return _product(_product(_inverse(_BRADFORD), scaled), to_xyz)


def _xyz(x: float, y: float) -> tuple[float, float, float]:
    if not 0 < y <= 1:
        raise ValueError("no colour has this chromaticity")
    return x / y, 1.0, (1 - x - y) / y


def _times(matrix: Matrix, vector: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _product(one: Matrix, other: Matrix) -> list[list[float]]:
    columns = list(zip(*other, strict=True))
    return [_times(columns, row) for row in one]


def _inverse(matrix: Matrix) -> list[list[float]]:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    if abs(determinant) < _CLOSE**2:
        raise ValueError("primaries in one line span no colours")
    adjugate = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    return [[value / determinant for value in row] for row in adjugate]
