"""Picture file formats: recognise a file, and reduce it to what is needed to decode its pixels.

No decoder here. Allow-lists say what may stay; everything else is removed, so that no decoder ever reads it.
"""

from closet_storage.containers import jpeg, png, webp
from closet_storage.containers.model import Chromaticities, Colour, Container, MalformedFile

__all__ = ["Chromaticities", "Colour", "Container", "MalformedFile", "is_heif", "parse", "sniff", "strip"]

_PARSERS = {"JPEG": jpeg.parse, "PNG": png.parse, "WEBP": webp.parse}
# Brands of ISO base media files that are still pictures: HEIC and AVIF with their relatives.
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis"}
_LONGEST_FTYP = 256


def sniff(data: bytes) -> str | None:
    """Return JPEG, PNG or WEBP by the first bytes of the file; None for anything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(png.SIGNATURE):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return None


def is_heif(data: bytes) -> bool:
    """Return whether the file is a HEIC, HEIF or AVIF picture, by the brands that it names."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4]), _LONGEST_FTYP)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]  # after a four-byte version
    return any(brand in _HEIF_BRANDS for brand in brands)


def parse(data: bytes) -> Container:
    """Separate the pixels from the metadata.

    Raises:
        MalformedFile: the format is unknown, or the pixels cannot be separated from the rest.
    """
    if not (read := _PARSERS.get(sniff(data) or "")):
        raise MalformedFile
    return read(data).reusing(data)


def strip(data: bytes) -> bytes | None:
    """Return the file without metadata, profiles, thumbnails and bytes after its end.

    Return the same object if there was nothing to remove, and None if the picture has to be encoded anew: it has
    several frames, no end, or violates its format.
    """
    try:
        container = parse(data)
    except MalformedFile:
        return None
    return container.pixels if container.is_closed and not container.is_animated else None
