"""Server-Sent Events from a stream of bytes, as the HTML standard reads them; when to reconnect is ours to say."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

from closet_client.errors import ClosetError

_LONGEST_EVENT = 1 << 20


class EventTooLong(ClosetError):
    """More than a mebibyte without an end: not a stream of ours."""


@dataclass(frozen=True)
class ServerEvent:
    """One event. `id` is the last one the stream named, which is what a reader resumes from."""

    event: str
    data: str
    id: str


class Parser:
    """Turns lines into events; one that its blank line never ended is dropped, as the standard asks."""

    def __init__(self, last_id: str = "") -> None:
        """`last_id` is where an earlier stream ended."""
        self._id = last_id
        self._event = ""
        self._data: list[str] = []

    def line(self, line: str) -> ServerEvent | None:
        """The event that this line ends, if it does."""
        if not line:
            return self._end()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _end(self) -> ServerEvent | None:
        event, data = self._event or "message", self._data
        self._event, self._data = "", []
        return ServerEvent(event, "\n".join(data), self._id) if data else None


async def events(chunks: AsyncIterable[bytes], last_id: str = "") -> AsyncIterator[ServerEvent]:
    """The events of a stream, however its bytes were cut up.

    Raises:
        EventTooLong: a line or an event without end.
    """
    parser = Parser(last_id)
    size = 0
    async for line in _lines(chunks):
        size = size + len(line) if line else 0
        if size > _LONGEST_EVENT:
            raise EventTooLong
        event = parser.line(line)
        if event is not None:
            yield event


async def _lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[str]:
    rest = b""
    async for chunk in chunks:
        rest += chunk
        # A CR at the end may be half of a CRLF: it waits for the next chunk.
        *whole, rest = _split(rest)
        for line in whole:
            yield line.decode("utf-8", "replace")
        if len(rest) > _LONGEST_EVENT:
            raise EventTooLong


def _split(data: bytes) -> list[bytes]:
    held = b"\r" if data.endswith(b"\r") else b""
    lines = data[: len(data) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    lines[-1] += held
    return lines
