"""The file formats around the pixels: what a file is, and the same file without what is not needed to decode it.

No decoder here. Lists say what may stay; everything else goes, known or not, so that no decoder ever looks at it.
"""

from closet_storage.containers import jpeg, png, webp
from closet_storage.containers.model import Chromaticities, Colour, Container, Malformed

__all__ = ["Chromaticities", "Colour", "Container", "Malformed", "is_heif", "sniff", "strip", "take_apart"]

_READERS = {"JPEG": jpeg.read, "PNG": png.read, "WEBP": webp.read}
# Brands of ISO base media files that are still pictures: HEIC and AVIF with their relatives.
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis"}
_LONGEST_FTYP = 256


def sniff(data: bytes) -> str | None:
    """JPEG, PNG or WEBP by the first bytes, whatever its name says; None for anything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(png.SIGNATURE):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return None


def is_heif(data: bytes) -> bool:
    """Whether it is a HEIC, HEIF or AVIF picture, by the brands that it names."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4]), _LONGEST_FTYP)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]  # between them stands a version
    return any(brand in _HEIF_BRANDS for brand in brands)


def take_apart(data: bytes) -> Container:
    """The pixels, and what is said about them.

    Raises:
        Malformed: it is no picture of a kind that we know, or its pixels cannot be told from the rest.
    """
    if not (read := _READERS.get(sniff(data) or "")):
        raise Malformed
    return read(data).keeping(data)


def strip(data: bytes) -> bytes | None:
    """The file without metadata, profiles, thumbnails and anything after its end.

    The very same object if there was nothing to take. None if it cannot be done without encoding anew: several
    frames, no end, or a file that is not built as its format says.
    """
    try:
        container = take_apart(data)
    except Malformed:
        return None
    return container.pixels if container.is_closed and not container.is_animated else None
