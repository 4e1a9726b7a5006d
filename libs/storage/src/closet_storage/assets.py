"""Assets: how events name a stored picture."""

from closet_contracts.upload import Asset

from closet_storage.picture import Picture


def asset_of(key: str, picture: Picture) -> Asset:
    """Return the asset of a picture that is stored at `key`."""
    return Asset(
        key=key,
        content_type=picture.content_type,
        width=picture.width,
        height=picture.height,
        size_bytes=len(picture.data),
        sha256=picture.sha256,
    )
