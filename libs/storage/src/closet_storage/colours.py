"""Convert colours to sRGB as browsers do: by ICC profile, or by gamma and chromaticities."""

import io
import struct
from collections.abc import Callable, Sequence

from PIL import Image, ImageChops, ImageCms

from closet_storage.containers import Chromaticities, Colour

_SRGB_GAMMA = 1 / 2.2  # the gAMA value that means sRGB's curve
_TOLERANCE = 0.0005
_SRGB: Chromaticities = (0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
_MAX_DIFFERENCE = 2  # of 255: how far two profiles of the same colours may differ
_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}
# Bradford: adapts colours to another white point by the responses of the three cone types.
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_D50 = (0.96422, 1.0, 0.82521)

Matrix = Sequence[Sequence[float]]


def is_srgb(image: Image.Image, colour: Colour) -> bool:
    """Return whether the values are sRGB already."""
    if image.mode == "CMYK" or tone_curve(colour):
        return False
    return _transform(_colour_mode(image.mode), colour) is None


def to_srgb(image: Image.Image, colour: Colour) -> Image.Image:
    """Convert L, LA, RGB, RGBA or CMYK with sRGB's tone curve to RGB, or RGBA if it has transparency."""
    alpha = image.getchannel("A") if image.mode in {"LA", "RGBA"} else None
    shown = image.convert(_colour_mode(image.mode)) if alpha else image
    if found := _transform(shown.mode, colour):
        mode, transform = found
        shown = ImageCms.applyTransform(_convert(shown, mode), transform) or shown
    shown = _convert(shown, "RGB")
    if alpha:
        shown.putalpha(alpha)
    return shown


def _convert(image: Image.Image, mode: str) -> Image.Image:
    """Convert to this mode; without a copy if it has it already, for large pictures have no room for one."""
    return image if image.mode == mode else image.convert(mode)


def _colour_mode(mode: str) -> str:
    """Return the mode of the colours alone, at eight bits and without alpha."""
    return {"P": "RGB", "PA": "RGB", "1": "L", "I;16": "L", "I": "L"}.get(mode, mode.removesuffix("A"))


def tone_curve(colour: Colour) -> Callable[[float], float] | None:
    """Return the function from values of 0 to 1 to sRGB's curve; None if not needed, or if a profile defines it."""
    gamma = colour.gamma
    if colour.icc or gamma is None or abs(gamma - _SRGB_GAMMA) < _TOLERANCE:
        return None
    return lambda value: _encode(value ** (1 / gamma))


def _encode(light: float) -> float:
    """Encode linear light as IEC 61966-2-1 defines it."""
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055  # noqa: PLR2004


def _transform(mode: str, colour: Colour) -> tuple[str, ImageCms.ImageCmsTransform] | None:
    """Return the transform to sRGB and the mode it takes; None if the colours are sRGB already, or unknown."""
    try:
        if not (profile := _profile(mode, colour)):
            return None
        profile_mode = _MODES.get(profile.profile.xcolor_space.strip(), "")
        if not (profile_mode == mode or (profile_mode == "RGB" and mode == "L")):
            return None  # a profile for another colour space: viewers ignore it
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), profile_mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, OverflowError):
        return None
    return None if _changes_nothing(profile_mode, transform) else (profile_mode, transform)


def _profile(mode: str, colour: Colour) -> ImageCms.ImageCmsProfile | None:
    if colour.icc:
        return ImageCms.ImageCmsProfile(io.BytesIO(colour.icc))
    chromaticities = colour.chromaticities
    if (
        mode != "RGB"
        or not chromaticities
        or all(abs(a - b) < _TOLERANCE for a, b in zip(chromaticities, _SRGB, strict=True))
    ):
        return None
    return ImageCms.ImageCmsProfile(io.BytesIO(_with_primaries(chromaticities)))


def _changes_nothing(mode: str, transform: ImageCms.ImageCmsTransform) -> bool:
    """Return whether the transform leaves sample colours as they are: its profile is sRGB's, whatever its name."""
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
    return all(high <= _MAX_DIFFERENCE for _, high in differences)  # type: ignore[misc]


def _with_primaries(chromaticities: Chromaticities) -> bytes:
    """Return sRGB's profile with other primaries and another white point.

    Raises:
        ValueError: these chromaticities define no colours.
    """
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    columns = zip(*_to_d50(chromaticities), strict=True)
    for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True):
        entry = profile.index(name, 128)
        (offset,) = struct.unpack_from(">I", profile, entry + 4)
        struct.pack_into(">3i", profile, offset + 8, *(round(value * 65536) for value in xyz))
    return bytes(profile)


def _to_d50(chromaticities: Chromaticities) -> Matrix:
    """Return the matrix from linear RGB to XYZ under D50, as ICC profiles hold it."""
    white, *primaries = (_xyz(x, y) for x, y in zip(chromaticities[::2], chromaticities[1::2], strict=True))
    columns = list(zip(*primaries, strict=True))
    scales = _multiply_vector(_invert(columns), white)
    to_xyz = [[value * scale for value, scale in zip(row, scales, strict=True)] for row in columns]
    seen, wanted = _multiply_vector(_BRADFORD, white), _multiply_vector(_BRADFORD, _D50)
    ratios = [b / a for a, b in zip(seen, wanted, strict=True)]
    scaled = [[value * ratio for value in row] for row, ratio in zip(_BRADFORD, ratios, strict=True)]
    return _multiply(_multiply(_invert(_BRADFORD), scaled), to_xyz)


def _xyz(x: float, y: float) -> tuple[float, float, float]:
    if not 0 < y <= 1:
        raise ValueError("no colour has this chromaticity")
    return x / y, 1.0, (1 - x - y) / y


def _multiply_vector(matrix: Matrix, vector: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _multiply(one: Matrix, other: Matrix) -> list[list[float]]:
    columns = list(zip(*other, strict=True))
    return [_multiply_vector(columns, row) for row in one]


def _invert(matrix: Matrix) -> list[list[float]]:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    if abs(determinant) < _TOLERANCE**2:
        raise ValueError("primaries in one line span no colours")
    adjugate = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    return [[value / determinant for value in row] for row in adjugate]
