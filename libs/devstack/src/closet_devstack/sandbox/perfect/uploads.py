"""Files that callers bring: announced first, then put where they were told to."""

import secrets
from dataclasses import dataclass, field

from closet_devstack.sandbox.perfect.ids import file_id
from closet_devstack.sandbox.perfect.storage import Shelf

_TTL_S = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Announced:
    """What was said of a file before its bytes came, and the place that is kept for them."""

    key: str
    content_type: str
    size: int
    at: float
    id: str = field(default_factory=file_id)
    place: str = field(default_factory=lambda: secrets.token_hex(12))


class Uploads:
    """The announced files, and the bytes of those that came."""

    def __init__(self) -> None:
        self._by_id: dict[str, Announced] = {}
        self._by_place: dict[str, Announced] = {}
        self._bytes = Shelf()

    def announce(self, file: Announced) -> None:
        self._by_id[file.id] = self._by_place[file.place] = file

    def find(self, file_id: str, now: float, key: str) -> Announced | None:
        """This key's file, if it is there still."""
        file = self._by_id.get(file_id)
        return file if file and file.key == key and now - file.at < _TTL_S else None

    def at(self, place: str) -> Announced | None:
        """The file that is to be put there."""
        return self._by_place.get(place)

    def put(self, file: Announced, data: bytes) -> None:
        self._bytes.put(file.id, data)

    def read(self, file_id: str) -> bytes | None:
        """Its bytes, if they came."""
        return self._bytes.get(file_id)

    def delete(self, file_id: str) -> None:
        if file := self._by_id.pop(file_id, None):
            self._by_place.pop(file.place, None)
        self._bytes.drop(file_id)
