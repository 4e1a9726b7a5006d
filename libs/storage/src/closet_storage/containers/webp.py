"""WebP: RIFF chunks, each a name, a length and a body that is filled up to an even one."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from closet_storage.containers.model import Colour, Container, MalformedFile, tiff_of

_PIXELS = {b"VP8 ", b"VP8L", b"ALPH"}
_ALPHA = 0x10
_ANIMATED = 0x02


@dataclass
class _WebpParts:
    """The chunks that hold pixels, and the metadata."""

    header: bytes = b""
    pixels: list[bytes] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    animation: bytes = b""
    metadata: dict[bytes, bytes] = field(default_factory=dict)


def parse(data: bytes) -> Container:
    """Parse the picture, or the first frame of an animation, into a new RIFF container.

    Raises:
        MalformedFile: a chunk is cut short.
    """
    parts = _WebpParts()
    for name, chunk in _chunks(data):
        _collect(parts, name, chunk)
    is_animated = bool(parts.header and parts.header[8] & _ANIMATED)
    kept = [parts.animation, *parts.frames] if is_animated else parts.pixels
    if parts.header:
        flags = parts.header[8] & (_ALPHA | _ANIMATED)
        kept.insert(0, parts.header[:8] + bytes([flags]) + parts.header[9:])
    body = b"WEBP" + b"".join(kept)
    return Container(
        "WEBP",
        b"RIFF" + struct.pack("<I", len(body)) + body,
        _size(kept[0] if kept else b""),
        Colour(icc=parts.metadata.get(b"ICCP", b"")),
        tiff_of(parts.metadata.get(b"EXIF", b"")),
        is_animated=is_animated,
    )


def _collect(parts: _WebpParts, name: bytes, chunk: bytes) -> None:
    if name in _PIXELS:
        parts.pixels.append(chunk)
    elif name == b"VP8X" and not parts.header:
        parts.header = chunk[:18].ljust(18, b"\0")
    elif name == b"ANIM" and not parts.animation:
        parts.animation = chunk
    elif name == b"ANMF" and not parts.frames:
        parts.frames.append(chunk)
    elif name in {b"ICCP", b"EXIF"}:
        (length,) = struct.unpack_from("<I", chunk, 4)
        parts.metadata.setdefault(name, chunk[8 : 8 + length])


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    (length,) = struct.unpack_from("<I", data.ljust(12, b"\0"), 4)
    at, stop, has_pixels = 12, min(8 + length, len(data)), False
    while at + 8 <= stop:
        name, (size,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        end = at + 8 + size
        if end > len(data):
            if has_pixels and name not in _PIXELS | {b"ANMF"}:
                return  # bytes after the pixels, not part of the picture
            raise MalformedFile
        yield name, data[at:end].ljust(8 + size + size % 2, b"\0")
        has_pixels |= name in {b"VP8 ", b"VP8L", b"ANMF"}
        at = end + size % 2


def _size(first: bytes) -> tuple[int, int]:
    """Return the declared width and height; the decoder allocates memory for them at once."""
    name, body = first[:4], first[8:18].ljust(10, b"\0")
    if name == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if name == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if name == b"VP8 ":
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0
