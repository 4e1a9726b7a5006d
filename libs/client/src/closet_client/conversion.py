"""Pictures made fit for the gateway: what is too large is scaled down, what is of another kind becomes JPEG or PNG.

Needs Pillow, and pillow-heif for HEIC: the extra `pictures` of this package. Nothing here is loaded without need.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from closet_contracts.upload import UPLOAD_RULES

from closet_client.errors import NotAPicture

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_SIDE = 4096
"""In pixels: no feature of the vendor's makes use of more."""

_XMP = ("xmp", "XML:com.adobe.xmp", "Raw profile type xmp")
_QUALITY = 90
_SMALLER = 0.8
_HOW = "Save it as JPEG, or install closet-client[pictures], which converts it."
_ISO_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}
_MAGIC = {b"II*\0": "TIFF", b"MM\0*": "TIFF", b"GIF8": "GIF"}


def convertible(head: bytes) -> str | None:
    """The kind of a picture that the gateway does not take and that can be converted, by its first 12 bytes."""
    if head[4:8] == b"ftyp":
        return _ISO_BRANDS.get(head[8:12])
    return "BMP" if head[:2] == b"BM" else _MAGIC.get(head[:4])


def convert(content: bytes | Path) -> bytes:
    """The picture upright as JPEG, or PNG or WebP where parts of it are transparent; small enough; without metadata.

    Takes a while and a core: call it in a thread.

    Raises:
        NotAPicture: it cannot be decoded here; the message says what to do.
        OSError: the file cannot be read.
    """
    picture = _opened(content)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    while len(data := _encoded(picture)) > UPLOAD_RULES.max_bytes:
        picture = picture.resize((round(picture.width * _SMALLER), round(picture.height * _SMALLER)))
    return data


def _opened(content: bytes | Path) -> "Image":
    source = io.BytesIO(content if isinstance(content, bytes) else content.read_bytes())
    try:
        from PIL import Image  # noqa: PLC0415  an extra
    except ImportError:
        raise NotAPicture(f"The picture is too large or of a kind that cannot be taken as it is. {_HOW}") from None
    _register_heic()
    try:
        with Image.open(source) as opened:
            return _upright(opened)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise NotAPicture(f"The picture cannot be read here. {_HOW}") from None


def _register_heic() -> None:
    try:
        from pillow_heif import register_heif_opener  # noqa: PLC0415  an extra
    except ImportError:
        return
    register_heif_opener()


def _upright(opened: "Image") -> "Image":
    """As EXIF says, and nothing else: Pillow believes stale XMP too, which no browser does."""
    from PIL import ImageOps  # noqa: PLC0415  an extra

    for name in _XMP:
        opened.info.pop(name, None)
    profile = opened.info.get("icc_profile") if opened.mode in {"RGB", "RGBA"} else None
    picture = ImageOps.exif_transpose(opened).convert("RGBA" if opened.has_transparency_data else "RGB")
    picture.info = {"icc_profile": profile} if profile else {}
    return picture


def _encoded(picture: "Image") -> bytes:
    out, profile = io.BytesIO(), picture.info.get("icc_profile")
    if picture.mode == "RGB":
        picture.save(out, "JPEG", quality=_QUALITY, icc_profile=profile)
        return out.getvalue()
    picture.save(out, "PNG", icc_profile=profile)
    if out.tell() > UPLOAD_RULES.max_bytes:  # a photograph that was cut out
        out = io.BytesIO()
        picture.save(out, "WEBP", quality=_QUALITY, icc_profile=profile)
    return out.getvalue()
