"""PNG: chunks, each a length, a name, a body and its checksum."""

import re
import struct
import zlib
from collections.abc import Iterator, Mapping

from closet_storage.containers.model import Chromaticities, Colour, Container, MalformedFile, tiff_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_METADATA = {b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"eXIf"}
_NAME = re.compile(rb"[A-Za-z]{4}")
_CLOSED = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
_GREY, _RGB, _PALETTE, _GREY_ALPHA = 0, 2, 3, 4
_LARGEST_PROFILE = 4 * 1024 * 1024
_UNITS = 100_000  # of gAMA and cHRM
_REC709: Chromaticities = (0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
_REC2020: Chromaticities = (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
_DISPLAY_P3: Chromaticities = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
# Code points of ITU-T H.273. Curves for brighter screens than sRGB's are not among them: the next chunk counts then.
_PRIMARIES = {1: _REC709, 9: _REC2020, 12: _DISPLAY_P3}
_CURVES = {4: 1 / 2.2, 5: 1 / 2.8, 8: 1.0, 13: None}


def parse(data: bytes) -> Container:
    """Parse the default image of the file, without the further frames of an animation.

    Raises:
        MalformedFile: the file has no header.
    """
    kept, metadata = [SIGNATURE], dict[bytes, bytes]()
    for name, chunk in _chunks(data):
        if name in _CRITICAL:
            kept.append(chunk)
        elif not _is_sound(chunk):
            continue
        elif name == b"tRNS" and _is_transparency(chunk, kept):
            kept.append(chunk)
        elif name in _METADATA:
            metadata.setdefault(name, chunk[8:-4])
    is_closed = len(kept[-1]) == 12 + int.from_bytes(kept[-1][:4])
    if not kept[-1].startswith(_CLOSED[:8]):
        kept.append(_CLOSED)
    depth, kind = _depth_and_kind(kept)
    (width, height) = struct.unpack_from(">II", kept[1], 8)
    exif = tiff_of(metadata.get(b"eXIf", b""))
    return Container("PNG", b"".join(kept), (width, height), _colour(metadata, kind), exif, depth, is_closed=is_closed)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and bytes of each chunk up to the end of the picture, the last one possibly cut short."""
    at, has_pixels = len(SIGNATURE), False
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        is_cut = at + 12 + length > len(data)
        if not _NAME.fullmatch(name) or (is_cut and has_pixels and name != b"IDAT"):
            return  # bytes after the pixels, not part of the picture
        yield name, data[at : at + 12 + length]
        if name == b"IEND" or is_cut:
            return
        has_pixels |= name == b"IDAT"
        at += 12 + length


def _is_sound(chunk: bytes) -> bool:
    return len(chunk) >= 12 and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:])  # noqa: PLR2004 an empty one


def _depth_and_kind(kept: list[bytes]) -> tuple[int, int]:
    if len(kept) < 2 or kept[1][4:8] != b"IHDR" or len(kept[1]) < 18:  # noqa: PLR2004 as far as the kind
        raise MalformedFile
    return kept[1][16], kept[1][17]


def _is_transparency(chunk: bytes, kept: list[bytes]) -> bool:
    """Return whether the chunk is valid for this colour type; viewers ignore any other."""
    _, kind = _depth_and_kind(kept)
    length = len(chunk) - 12
    return {_GREY: length == 2, _RGB: length == 6, _PALETTE: 0 < length <= 256}.get(kind, False)  # noqa: PLR2004


def _colour(metadata: Mapping[bytes, bytes], kind: int) -> Colour:
    """Return the declared colour space, in the standard's order of precedence."""
    is_grey = kind in {_GREY, _GREY_ALPHA}
    if (coded := metadata.get(b"cICP", b"")) and (found := _by_code_points(coded)):
        return found
    if icc := _profile(metadata.get(b"iCCP", b""), b"GRAY" if is_grey else b"RGB "):
        return Colour(icc=icc)
    if b"sRGB" in metadata:
        return Colour()
    return Colour(gamma=_gamma(metadata.get(b"gAMA", b"")), chromaticities=_chromaticities(metadata.get(b"cHRM", b"")))


def _by_code_points(body: bytes) -> Colour | None:
    primaries, curve, matrix, full_range = body if len(body) == 4 else (0, 0, 0, 0)  # noqa: PLR2004
    if primaries not in _PRIMARIES or curve not in _CURVES or matrix or full_range != 1:
        return None
    return Colour(gamma=_CURVES[curve], chromaticities=_PRIMARIES[primaries])


def _profile(body: bytes, space: bytes) -> bytes:
    """Decompress the profile; b"" if it is for another colour space or too large."""
    _, _, packed = body.partition(b"\0")
    try:
        icc = zlib.decompressobj().decompress(packed[1:], _LARGEST_PROFILE + 1)
    except zlib.error:
        return b""
    return icc if len(icc) <= _LARGEST_PROFILE and icc[16:20] == space else b""


def _gamma(body: bytes) -> float | None:
    return int.from_bytes(body) / _UNITS or None if len(body) == 4 else None  # noqa: PLR2004


def _chromaticities(body: bytes) -> Chromaticities | None:
    if len(body) != 32:  # noqa: PLR2004
        return None
    a, b, c, d, e, f, g, h = (value / _UNITS for value in struct.unpack(">8i", body))
    return a, b, c, d, e, f, g, h
