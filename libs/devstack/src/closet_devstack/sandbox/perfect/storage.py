"""The vendor's storage: bytes behind signed URLs that live for a while."""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from urllib.parse import urlencode

_KEPT_BYTES = 128 << 20


class Shelf:
    """Bytes by name, in memory; the oldest go when there are too many."""

    def __init__(self) -> None:
        self._data: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    def put(self, name: str, data: bytes) -> None:
        self.drop(name)
        self._data[name] = data
        self._size += len(data)
        while self._size > _KEPT_BYTES:
            self.drop(next(iter(self._data)))

    def get(self, name: str) -> bytes | None:
        return self._data.get(name)

    def drop(self, name: str) -> None:
        self._size -= len(self._data.pop(name, b""))


class Signer:
    """Makes and checks the queries of signed URLs."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def query(self, name: str, expires: int) -> str:
        return urlencode({"Expires": expires, "Signature": self._signature(name, expires)})

    def accepts(self, name: str, query: Mapping[str, str], now: float) -> bool:
        """Whether it is signed for this name, and still valid."""
        expires = query.get("Expires", "")
        if not expires.isdecimal() or int(expires) < now:
            return False
        return hmac.compare_digest(query.get("Signature", ""), self._signature(name, int(expires)))

    def _signature(self, name: str, expires: int) -> str:
        return hmac.digest(self._key, f"{name}.{expires}".encode(), "sha256").hex()
