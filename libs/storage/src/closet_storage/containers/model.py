"""What a picture file holds, taken apart."""

from dataclasses import dataclass, field, replace
from typing import Self

Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""x and y of white, red, green and blue, as in PNG's cHRM."""


@dataclass(frozen=True)
class Colour:
    """How the file says its numbers are to be shown; nothing said means sRGB.

    Args:
        icc: an ICC profile, b"" for none. It goes before the others.
        gamma: the exponent of the encoding as in PNG's gAMA (1.0 is linear light); None is sRGB's curve.
        chromaticities: of the white point and the primaries; None are sRGB's.
    """

    icc: bytes = b""
    gamma: float | None = None
    chromaticities: Chromaticities | None = None


@dataclass(frozen=True)
class Container:
    """A picture file with its pixels apart from what is said about them.

    Args:
        kind: JPEG, PNG or WEBP.
        pixels: the file with nothing in it but what a decoder needs; the very same object if nothing was taken out.
        size: width and height that it claims, (0, 0) where only the decoder can tell.
        colour: how its numbers are to be shown.
        exif: the TIFF structure of its EXIF, b"" for none.
        depth: bits per sample.
        scans: passes over all pixels that the decoder is asked to make.
        is_closed: whether the end of its picture was found where it had to be; else `pixels` may end with what is none.
        is_animated: whether it held more than one frame; `pixels` holds the first.
    """

    kind: str
    pixels: bytes
    size: tuple[int, int] = (0, 0)
    colour: Colour = field(default_factory=Colour)
    exif: bytes = b""
    depth: int = 8
    scans: int = 1
    is_closed: bool = True
    is_animated: bool = False

    def keeping(self, data: bytes) -> Self:
        """The same, with `data` itself for its pixels if those are all that it holds."""
        return replace(self, pixels=data) if self.pixels == data else self


class Malformed(Exception):
    """The file is not built as its format says, and its pixels cannot be told from the rest."""


def tiff_of(exif: bytes) -> bytes:
    """EXIF without the name that JPEG puts before it and some writers of other formats do too."""
    return exif[6:] if exif.startswith(b"Exif\0") else exif
