"""An example of each request body, shown in the API's description."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from kiosk_gateway.http import batch, models, work

_PERSON = "tenant/acme/uploads/upl_0198a3c2f5d47b6e8a1c9d0e2f3b4a5c"
_GARMENT = "tenant/acme/uploads/upl_0198a3c2f5d47b6e8a1c9d0e2f3b4a5d"
_TRY_ON = {"personKey": _PERSON, "itemKey": _GARMENT, "category": "top", "consent": True}

EXAMPLES: Mapping[type[BaseModel], Any] = {
    models.TokenRequest: {"userId": "shopper-1", "scopes": ["generate", "jobs:read", "consent", "balance:read"]},
    models.RefreshRequest: {"refreshToken": "bm90LWEtcmVhbC10b2tlbi1idXQtdGhpcy1sb25n"},
    models.ConsentRequest: {"given": True, "version": "v2.0"},
    models.UploadRequest: {"filename": "me.jpg", "contentType": "image/jpeg", "size": 482113},
    batch.EstimateRequest: {"type": "tryon"},
    work.TryOnRequest: _TRY_ON,
    work.TextToImageRequest: {"prompt": "a linen suit on a mannequin", "style": "studio", "variants": 2},
    work.EditRequest: {"imageKey": _PERSON, "prompt": "a plain white background", "consent": True},
    work.HairstyleRequest: {"imageKey": _PERSON, "referenceKey": _GARMENT, "consent": True},
    work.SkinAnalysisRequest: {"imageKey": _PERSON, "actions": ["acne", "pore"], "consent": True},
    batch.BatchRequest: {"items": [{"type": "tryon", **_TRY_ON}, {"type": "text2img", "prompt": "a hat"}]},
}
