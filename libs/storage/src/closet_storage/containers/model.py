"""A picture file, parsed."""

from dataclasses import dataclass, field, replace
from typing import Self

Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""x and y of white, red, green and blue, as in PNG's cHRM."""


@dataclass(frozen=True)
class Colour:
    """The colour space that the file declares; sRGB if it declares none.

    Args:
        icc: an ICC profile, b"" for none. It takes precedence over the others.
        gamma: the exponent of the encoding as in PNG's gAMA (1.0 is linear light); None is sRGB's curve.
        chromaticities: of the white point and the primaries; None are sRGB's.
    """

    icc: bytes = b""
    gamma: float | None = None
    chromaticities: Chromaticities | None = None


@dataclass(frozen=True)
class Container:
    """A picture file with its pixels separated from its metadata.

    Args:
        kind: JPEG, PNG or WEBP.
        pixels: the file reduced to what a decoder needs; the same object if nothing was removed.
        size: width and height that the file declares, (0, 0) if only the decoder can tell.
        colour: the colour space of its values.
        exif: the TIFF structure of its EXIF, b"" for none.
        depth: bits per sample.
        scans: passes over all pixels that the decoder has to make.
        is_closed: the end of the picture was found where it has to be; otherwise `pixels` may end with other bytes.
        is_animated: the file has more than one frame; `pixels` holds the first.
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

    def reusing(self, data: bytes) -> Self:
        """Return this container with the object `data` as its pixels if the two are equal."""
        return replace(self, pixels=data) if self.pixels == data else self


class MalformedFile(Exception):
    """The file violates its format, and its pixels cannot be separated from the rest."""


def tiff_of(exif: bytes) -> bytes:
    """Return EXIF without the prefix of JPEG, which some writers of other formats add too."""
    return exif[6:] if exif.startswith(b"Exif\0") else exif
