"""Edit with a mask: what is white in it is replaced by what the prompt says."""

from collections.abc import Sequence

from PIL import Image

from closet_devstack.sandbox.perfect.errors import EngineError
from closet_devstack.sandbox.perfect.features.feature import Feature, File, JsonObject, Made, Order, Sku
from closet_devstack.sandbox.perfect.features.reading import PROMPT_LONGEST, file_parameters, picture, text
from closet_devstack.sandbox.perfect.pictures.imagined import imagine
from closet_devstack.sandbox.perfect.pictures.inputs import Limits, open_input
from closet_devstack.sandbox.perfect.pictures.marks import jpeg, mark

_SKU = Sku("AI Object Replace", 1)
_LIMITS = Limits(longest=2048, long_at_least=64, short_at_least=64)
_PARAMETERS = file_parameters("src", "msk") | {"prompt"}


def _read(body: JsonObject) -> Order:
    references = (picture(body, "src"), picture(body, "msk"))
    return Order(references, {"prompt": text(body, "prompt", PROMPT_LONGEST)}, _SKU.units)


def _paint(inputs: Sequence[bytes], options: JsonObject) -> Made:
    source, mask = open_input(inputs[0], limits=_LIMITS), open_input(inputs[1], "msk", _LIMITS)
    if source.size != mask.size:
        raise EngineError("error_apply_region_mismatch", "The mask is not of the picture's size")
    result = Image.composite(imagine(source.size, options["prompt"]), source, mask.convert("L"))
    mark(result)
    return Made((File(jpeg(result)),))


REPLACE = Feature("obj-replace", "/s2s/v2.0/task/obj-replace", (_SKU,), _PARAMETERS, _read, _paint)
