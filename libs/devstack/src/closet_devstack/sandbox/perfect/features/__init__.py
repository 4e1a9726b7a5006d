"""What can be ordered. A further feature is one more module with its `Feature`s, named in `FEATURES`."""

from closet_devstack.sandbox.perfect.features.feature import Feature, Order
from closet_devstack.sandbox.perfect.features.tryon import TRYON

FEATURES: tuple[Feature, ...] = (*TRYON,)

__all__ = ["FEATURES", "Feature", "Order"]
