"""What can be ordered. A further feature is one more module with its `Feature`s, named in `FEATURES`."""

from closet_devstack.sandbox.perfect.features.feature import (
    Feature,
    File,
    JsonObject,
    Made,
    Order,
    Reference,
    Sku,
    Template,
)
from closet_devstack.sandbox.perfect.features.hair import HAIR
from closet_devstack.sandbox.perfect.features.image2image import IMAGE2IMAGE
from closet_devstack.sandbox.perfect.features.replace import REPLACE
from closet_devstack.sandbox.perfect.features.skin import SKIN
from closet_devstack.sandbox.perfect.features.text2image import TEXT2IMAGE
from closet_devstack.sandbox.perfect.features.tryon import TRYON

FEATURES: tuple[Feature, ...] = (*TRYON, TEXT2IMAGE, IMAGE2IMAGE, REPLACE, HAIR, *SKIN)

__all__ = ["FEATURES", "Feature", "File", "JsonObject", "Made", "Order", "Reference", "Sku", "Template"]
