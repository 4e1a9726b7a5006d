"""Assets of stored pictures, and the upload rules that storage has to be able to keep."""

from hashlib import sha256

from closet_contracts.upload import UPLOAD_RULES
from closet_storage import images
from closet_storage.assets import asset_of
from closet_storage.keys import EXTENSIONS
from closet_storage.picture import Picture


def test_an_asset_describes_the_stored_bytes() -> None:
    asset = asset_of("tenant/acme/inputs/a.png", Picture(b"pixels", "image/png", 8, 9))
    assert asset.model_dump() == {
        "key": "tenant/acme/inputs/a.png",
        "contentType": "image/png",
        "width": 8,
        "height": 9,
        "sizeBytes": 6,
        "sha256": sha256(b"pixels").hexdigest(),
    }


def test_every_content_type_that_may_be_uploaded_can_be_decoded_and_stored() -> None:
    assert UPLOAD_RULES.content_types == set(images._CONTENT_TYPES.values())
    assert UPLOAD_RULES.content_types <= EXTENSIONS.keys()


def test_sentences_name_the_limit_in_whole_megabytes() -> None:
    assert UPLOAD_RULES.max_megabytes * 2**20 == UPLOAD_RULES.max_bytes
