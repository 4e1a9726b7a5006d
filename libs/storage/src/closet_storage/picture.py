"""A checked picture, and the error for one that is rejected. Cheap to import: no decoder here."""

from dataclasses import dataclass
from hashlib import sha256

from closet_storage.keys import EXTENSIONS


@dataclass(frozen=True)
class Picture:
    """A picture that was decoded whole, is upright, in sRGB, and holds no metadata. Sides are in pixels."""

    data: bytes
    content_type: str
    width: int
    height: int

    @property
    def ext(self) -> str:
        """Return the file extension for its key."""
        return EXTENSIONS[self.content_type]

    @property
    def sha256(self) -> str:
        """Return the hexadecimal digest of the bytes."""
        return sha256(self.data).hexdigest()


class PictureRejected(Exception):
    """The picture cannot be used. `code` is stable, `message` is a sentence for the person who sent it.

    Codes: not_a_picture, unsupported_picture_format, picture_too_large, decompression_bomb, picture_too_small,
    picture_damaged, mask_selects_nothing.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
