"""The file formats around the pixels: what a file is, and the same file without what is not needed to show it.

No decoder here. Lists say what may stay; everything else goes, known or not.
"""

import re
import struct
from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEEP = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"sRGB", b"gAMA", b"cHRM", b"sBIT", b"bKGD", b"pHYs"}
_WEBP_KEEP = {b"VP8 ", b"VP8L", b"ALPH"}
_WEBP_ALPHA = 0x10
_WEBP_ANIMATED = 0x02

_MARKER = 0xFF
_SOF0, _RST0, _SOI, _EOI, _SOS, _APP0, _APP14, _APP15, _COM = 0xC0, 0xD0, 0xD8, 0xD9, 0xDA, 0xE0, 0xEE, 0xEF, 0xFE
# In the coded pixels, a marker is 0xFF and then neither a stuffed zero, nor a restart marker, nor a fill byte.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_BARE_JFIF = 16  # an APP0 of this length holds no thumbnail


class _Odd(Exception):
    """The file is not built as its format says."""


def sniff(data: bytes) -> str | None:
    """JPEG, PNG or WEBP by the first bytes, whatever its name says; None for anything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(_PNG):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return None


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height that a WebP file claims; its decoder takes memory for them at once. (0, 0) if it claims none."""
    head, body = data[12:16], data[20:30].ljust(10, b"\0")
    if head == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if head == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head == b"VP8 ":
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0


def strip(data: bytes) -> bytes | None:
    """The file without metadata, profiles, thumbnails, further frames and anything after its end.

    The very same object if there was nothing to take. None if it cannot be done without encoding anew: an animated
    WebP, or a file that is not built as its format says.
    """
    parts = {"JPEG": _jpeg_kept, "PNG": _png_kept, "WEBP": _webp_kept}.get(sniff(data) or "")
    if parts is None:
        return None
    try:
        clean = b"".join(parts(data))
    except (_Odd, IndexError, struct.error):
        return None
    return data if clean == data else clean


def jpeg_scans(data: bytes) -> int:
    """How many passes over all its pixels a JPEG asks its decoder to make: each takes a few bytes, and long to do."""
    try:
        return sum(marker == _SOS for marker, _ in _jpeg_segments(data))
    except (_Odd, IndexError):
        return data.count(bytes((_MARKER, _SOS)))  # at least as many


def _jpeg_kept(data: bytes) -> Iterator[bytes]:
    yield data[:2]
    for marker, segment in _jpeg_segments(data):
        if _jpeg_needs(marker, segment):
            yield segment


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of each segment up to the end of the first picture; a scan's coded pixels are part of it."""
    at = 2
    while True:
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        marker = data[at + 1]
        if data[at] != _MARKER or not _SOF0 <= marker < _MARKER or _RST0 <= marker <= _SOI:
            raise _Odd  # not a marker with a length, where one has to be
        if marker == _EOI:
            yield marker, data[at : at + 2]
            return
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if end > len(data) or end < at + 4:
            raise _Odd
        if marker == _SOS:
            if not (found := _NEXT_MARKER.search(data, end)):
                raise _Odd
            end = found.start()
        yield marker, data[at:end]
        at = end


def _jpeg_needs(marker: int, segment: bytes) -> bool:
    if marker == _APP0:
        return len(segment) == 2 + _BARE_JFIF and segment[4:9] == b"JFIF\0"
    if marker == _APP14:
        return segment[4:9] == b"Adobe"
    return marker != _COM and not _APP0 <= marker <= _APP15


def _png_kept(data: bytes) -> Iterator[bytes]:
    yield _PNG
    at = len(_PNG)
    while True:
        (length,) = struct.unpack_from(">I", data, at)
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            raise _Odd
        if kind in _PNG_KEEP:
            yield data[at:end]
        if kind == b"IEND":
            return
        at = end


def _webp_kept(data: bytes) -> Iterator[bytes]:
    """The chunks that hold pixels, in a new RIFF frame."""
    chunks = list(_webp_chunks(data))
    kept = [chunk for kind, chunk in chunks if kind in _WEBP_KEEP]
    if extended := next((chunk for kind, chunk in chunks if kind == b"VP8X"), None):
        if extended[8] & _WEBP_ANIMATED:
            raise _Odd
        kept.insert(0, extended[:8] + bytes([extended[8] & _WEBP_ALPHA]) + extended[9:])
    body = b"WEBP" + b"".join(kept)
    yield b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    (length,) = struct.unpack_from("<I", data, 4)
    at, stop = 12, 8 + length
    while at < stop:
        kind, (size,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        end = at + 8 + size + size % 2
        if end > len(data):
            raise _Odd
        yield kind, data[at:end]
        at = end
