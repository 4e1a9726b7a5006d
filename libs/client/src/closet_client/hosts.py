"""The replicas of one gateway: stay with one that answers, move on when it does not."""

from collections.abc import Sequence
from urllib.parse import urlsplit


class Hosts:
    """A ring of base URLs."""

    def __init__(self, urls: Sequence[str]) -> None:
        """Take base URLs without `/api`.

        Raises:
            ValueError: none was given, or one is not an http(s) URL.
        """
        self._urls = [url.rstrip("/") for url in urls]
        if not self._urls:
            raise ValueError("at least one base URL is needed")
        for url in self._urls:
            if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).netloc:
                raise ValueError("a base URL begins with http:// or https:// and names a host")
        self._at = 0

    def __len__(self) -> int:
        return len(self._urls)

    @property
    def current(self) -> str:
        """The replica to ask now."""
        return self._urls[self._at]

    def leave(self, url: str) -> None:
        """`url` did not answer: ask the next one, unless another call has already moved on."""
        if url == self.current:
            self._at = (self._at + 1) % len(self._urls)
