"""What a checked picture is, and why one is refused. Light to import: no decoder here."""

from dataclasses import dataclass
from hashlib import sha256

from closet_storage.keys import EXTENSIONS


@dataclass(frozen=True)
class Picture:
    """A picture that was decoded whole, is upright, in sRGB, and holds no metadata."""

    data: bytes
    content_type: str
    width: int
    height: int

    @property
    def ext(self) -> str:
        """The extension its key gets."""
        return EXTENSIONS[self.content_type]

    @property
    def sha256(self) -> str:
        return sha256(self.data).hexdigest()


class PictureRejected(Exception):
    """The bytes cannot be used. `code` is stable, `message` is a sentence for the person who sent them.

    Codes: not_a_picture, unsupported_picture_format, picture_too_large, decompression_bomb, picture_too_small,
    picture_damaged, mask_selects_nothing.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
