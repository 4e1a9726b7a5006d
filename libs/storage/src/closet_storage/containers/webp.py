"""WebP: RIFF chunks, each a name, a length and a body that is filled up to an even one."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from closet_storage.containers.model import Colour, Container, Malformed, tiff_of

_PIXELS = {b"VP8 ", b"VP8L", b"ALPH"}
_ALPHA = 0x10
_ANIMATED = 0x02


@dataclass
class _Reading:
    """The chunks that hold pixels, and what is said about them."""

    header: bytes = b""
    pixels: list[bytes] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    animation: bytes = b""
    said: dict[bytes, bytes] = field(default_factory=dict)


def read(data: bytes) -> Container:
    """The picture, or the first frame of an animation, in a new RIFF frame.

    Raises:
        Malformed: a chunk is cut short.
    """
    reading = _Reading()
    for name, chunk in _chunks(data):
        _sort(reading, name, chunk)
    is_animated = bool(reading.header and reading.header[8] & _ANIMATED)
    kept = [reading.animation, *reading.frames] if is_animated else reading.pixels
    if reading.header:
        flags = reading.header[8] & (_ALPHA | _ANIMATED)
        kept.insert(0, reading.header[:8] + bytes([flags]) + reading.header[9:])
    body = b"WEBP" + b"".join(kept)
    return Container(
        "WEBP",
        b"RIFF" + struct.pack("<I", len(body)) + body,
        _size(kept[0] if kept else b""),
        Colour(icc=reading.said.get(b"ICCP", b"")),
        tiff_of(reading.said.get(b"EXIF", b"")),
        is_animated=is_animated,
    )


def _sort(reading: _Reading, name: bytes, chunk: bytes) -> None:
    if name in _PIXELS:
        reading.pixels.append(chunk)
    elif name == b"VP8X" and not reading.header:
        reading.header = chunk[:18].ljust(18, b"\0")
    elif name == b"ANIM" and not reading.animation:
        reading.animation = chunk
    elif name == b"ANMF" and not reading.frames:
        reading.frames.append(chunk)
    elif name in {b"ICCP", b"EXIF"}:
        (length,) = struct.unpack_from("<I", chunk, 4)
        reading.said.setdefault(name, chunk[8 : 8 + length])


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    (length,) = struct.unpack_from("<I", data.ljust(12, b"\0"), 4)
    at, stop, has_pixels = 12, min(8 + length, len(data)), False
    while at + 8 <= stop:
        name, (size,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        end = at + 8 + size
        if end > len(data):
            if has_pixels and name not in _PIXELS | {b"ANMF"}:
                return  # what follows the pixels is not the picture
            raise Malformed
        yield name, data[at:end].ljust(8 + size + size % 2, b"\0")
        has_pixels |= name in {b"VP8 ", b"VP8L", b"ANMF"}
        at = end + size % 2


def _size(first: bytes) -> tuple[int, int]:
    """Width and height that the file claims; its decoder takes memory for them at once."""
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
