"""JPEG: segments, each a marker and mostly a length, with the coded pixels behind SOS."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from closet_storage.containers.model import Colour, Container, tiff_of

_SOF = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_DHT, _DAC, _SOI, _EOI, _SOS, _DQT, _DRI, _COM = 0xC4, 0xCC, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xFE
_DNL = 0xDC
_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
# What may stand between two scans, and how long it can be.
_LONGEST = {_SOS: 14, _DHT: 2 + 8 * (17 + 256), _DAC: 2 + 32, _DQT: 2 + 4 * 129, _DRI: 4}
# In the coded pixels, a marker is 0xFF and then neither a stuffed zero, nor a restart marker, nor a fill byte.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# Before the first scan, decoders skip all bytes that are no marker with a length.
_NEXT_SEGMENT = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")
_END = bytes((0xFF, _EOI))
_BARE_JFIF = 14  # bytes of an APP0 that holds no thumbnail
_ADOBE = 12
_ICC = b"ICC_PROFILE\0"
_HUFFMAN_CODES = 256


@dataclass
class _Frame:
    """The frame header, and the components that have been scanned."""

    is_progressive: bool = False
    components: bytes = b""
    scanned: set[int] = field(default_factory=set)

    @property
    def is_complete(self) -> bool:
        """Return whether no scan can follow: a sequential picture codes each component once."""
        return not self.is_progressive and self.scanned >= set(self.components)


@dataclass
class _JpegParts:
    kept: list[bytes]
    frame: _Frame = field(default_factory=_Frame)
    size: tuple[int, int] = (0, 0)
    exif: bytes = b""
    profile: dict[int, bytes] = field(default_factory=dict)
    profile_parts: int = 0
    scans: int = 0


def parse(data: bytes) -> Container:
    """Parse the first picture of the file; add an end marker if it has none."""
    parts = _JpegParts([data[:2]])
    is_closed = False
    for marker, segment in _segments(data, parts.frame):
        is_closed = marker == _EOI
        if marker in _SOF and len(segment) > 9:  # noqa: PLR2004 marker, length, depth, two sides, a count
            _begin_frame(parts, marker, segment)
        elif marker == _SOS:
            parts.scans += 1
        _collect(parts, marker, segment)
    if not is_closed:
        parts.kept.append(_END)
    return Container(
        "JPEG",
        b"".join(parts.kept),
        parts.size,
        Colour(icc=_joined(parts)),
        parts.exif,
        scans=parts.scans,
        is_closed=is_closed,
    )


def _segments(data: bytes, frame: _Frame) -> Iterator[tuple[int, bytes]]:
    """Yield marker and bytes of each segment of the first picture; a scan includes its coded pixels.

    After a scan, bytes that are no segment end the picture: what cameras append contains markers by chance.
    """
    at, scans = 2, 0
    while found := (_NEXT_MARKER if scans else _NEXT_SEGMENT).search(data, at):
        at, marker = found.start(), data[found.start() + 1]
        if marker == _EOI:
            yield marker, data[at : at + 2]
            return
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if scans and (frame.is_complete or not _is_segment(data, at, end, frame)):
            return
        if marker == _SOS:
            scans += 1
            frame.scanned |= set(data[at + 5 : end - 3 : 2])
            end = found.start() if (found := _NEXT_MARKER.search(data, end)) else len(data)
        yield marker, data[at:end]
        at = max(end, at + 2)


def _is_segment(data: bytes, at: int, end: int, frame: _Frame) -> bool:
    """Return whether there is a segment between scans: a scan of this frame, or a segment that another follows."""
    marker, body = data[at + 1], data[at + 4 : end]
    if marker in _LONGEST and end - at - 2 > _LONGEST[marker]:
        return False
    if end > len(data):
        return marker in _LONGEST  # cut short: the decoder will report it
    if marker == _SOS:
        count = body[0] if body else 0
        return count > 0 and len(body) == 4 + 2 * count and set(body[1:-3:2]) <= set(frame.components)
    if marker == _DHT and not _are_huffman_tables(body):
        return False
    is_known = marker in _LONGEST or marker == _COM or _APP0 <= marker <= _APP15
    return is_known and end >= at + 4 and _NEXT_MARKER.match(data, end) is not None


def _are_huffman_tables(body: bytes) -> bool:
    at = 0
    while at < len(body):
        codes = sum(body[at + 1 : at + 17])
        if body[at] & 0xEC or codes > _HUFFMAN_CODES:
            return False
        at += 17 + codes
    return at == len(body)


def _begin_frame(parts: _JpegParts, marker: int, segment: bytes) -> None:
    parts.frame.is_progressive = marker in _PROGRESSIVE
    parts.frame.components = segment[10::3]
    parts.size = int.from_bytes(segment[7:9]), int.from_bytes(segment[5:7])


def _collect(parts: _JpegParts, marker: int, segment: bytes) -> None:
    """Keep what decoding needs, read the metadata, drop the rest."""
    body = segment[4:]
    if marker == _APP0 and body.startswith(b"JFIF\0") and len(body) >= _BARE_JFIF:
        # It declares YCbCr; its thumbnail is removed.
        parts.kept.append(segment[:2] + (2 + _BARE_JFIF).to_bytes(2) + body[: _BARE_JFIF - 2] + b"\0\0")
    elif marker == _APP14 and body.startswith(b"Adobe") and len(body) >= _ADOBE:
        parts.kept.append(segment[:2] + (2 + _ADOBE).to_bytes(2) + body[:_ADOBE])
    elif marker == _APP1 and body.startswith(b"Exif\0") and not parts.exif:
        parts.exif = tiff_of(body)
    elif marker == _APP2 and body.startswith(_ICC) and len(body) > len(_ICC) + 2:
        number, parts.profile_parts = body[len(_ICC)], body[len(_ICC) + 1]
        parts.profile.setdefault(number, body[len(_ICC) + 2 :])
    elif marker in _SOF or marker in _LONGEST or marker in {_DNL, _EOI}:
        parts.kept.append(segment)


def _joined(parts: _JpegParts) -> bytes:
    """Join the parts of the ICC profile; b"" if one is missing."""
    numbers = range(1, parts.profile_parts + 1)
    if not all(number in parts.profile for number in numbers):
        return b""
    return b"".join(parts.profile[number] for number in numbers)
