"""A picture on its way: where its bytes come from, and what its first bytes say it is (names are not believed)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from closet_contracts.upload import UPLOAD_RULES

from closet_client.conversion import convert, convertible
from closet_client.errors import NotAPicture

_CHUNK = 1 << 16
SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}


def content_type_of(head: bytes) -> str | None:
    """The type by magic numbers; None for anything but JPEG, PNG and WebP."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return None


@dataclass(frozen=True)
class Source:
    """Bytes that can be read several times, once an attempt."""

    content: bytes | Path
    content_type: str
    size: int

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, never all of a file at once."""
        if isinstance(self.content, bytes):
            for start in range(0, len(self.content), _CHUNK):
                yield self.content[start : start + _CHUNK]
            return
        # Opened here and not in a thread, whose result nobody would close if we were cancelled meanwhile.
        with self.content.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, _CHUNK):
                yield chunk


async def source_of(content: bytes | Path, content_type: str | None = None) -> Source:
    """What is to be uploaded; `content_type` overrules what the bytes look like, and sends them as they are.

    A picture beyond the gateway's limits, or of another kind, is converted: see `closet_client.conversion`.

    Raises:
        NotAPicture: the bytes do not look like a picture and no type was named, or cannot be converted here.
        OSError: the file cannot be read.
    """
    head, size = await asyncio.to_thread(_look, content)
    if content_type is not None:
        return Source(content, content_type, size)
    kind = content_type_of(head)
    if kind is not None and size <= UPLOAD_RULES.max_bytes:
        return Source(content, kind, size)
    if kind is None and convertible(head) is None:
        raise NotAPicture("The file is not a picture: JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF or BMP.")
    data = await asyncio.to_thread(convert, content)
    return Source(data, content_type_of(data) or "image/jpeg", len(data))


def _look(content: bytes | Path) -> tuple[bytes, int]:
    if isinstance(content, bytes):
        return content[:12], len(content)
    with content.open("rb") as file:
        head = file.read(12)
        return head, file.seek(0, 2)
