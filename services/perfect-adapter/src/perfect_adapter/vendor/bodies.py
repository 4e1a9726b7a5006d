"""Bodies of the vendor's create calls, one function for each feature: a task and its pictures in, JSON out. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from closet_contracts.work import Category, Concern, Edit, Hairstyle, Role, SkinAnalysis, Style, TextToImage, TryOn

from perfect_adapter.vendor.sizes import nearest, within_bounds

Body = dict[str, Any]

TEXT_SIZES = ((1664, 928), (1472, 1104), (1328, 1328), (1104, 1472), (928, 1664))
_MODEL = "youcam-image-v2"
_PROMPT_LONGEST = 800
_GARMENTS = {
    Category.TOP: "upper_body",
    Category.BOTTOM: "lower_body",
    Category.DRESS: "full_body",
    Category.OUTERWEAR: "outer",
    Category.SHOES: "shoes",
    Category.AUTO: "auto",
}
_STYLES = {
    Style.PHOTOREALISTIC: "photorealistic",
    Style.FASHION: "fashion editorial photograph",
    Style.STUDIO: "clean studio product shot",
    Style.LIFESTYLE: "candid lifestyle photograph",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture as the vendor finds it: by a URL, or by the id of an uploaded file."""

    kind: Literal["url", "id"]
    value: str

    def named(self, name: str) -> Body:
        """Return it as a member of a body, such as `{"src_file_url": ...}`."""
        return {f"{name}_file_{self.kind}": self.value}


References = Mapping[Role, Reference]


def try_on(task: TryOn, refs: References) -> Body:
    """Return the body of a try-on. `outer` is new with v4; older engines call it the upper body."""
    body = refs[Role.PERSON].named("src") | refs[Role.GARMENT].named("ref")
    body["garment_category"] = _GARMENTS[task.category]
    if task.category in {Category.BOTTOM, Category.DRESS}:
        # The vendor would change the shoes along with it unless told not to.
        body["change_shoes"] = False
    return body


def try_on_v3(task: TryOn, refs: References) -> Body:
    body = try_on(task, refs)
    return body | {"garment_category": "upper_body"} if task.category is Category.OUTERWEAR else body


def text_to_image(task: TextToImage, _refs: References) -> Body:
    width, height = nearest(task.size.width, task.size.height, TEXT_SIZES)
    return {
        "model": _MODEL,
        "prompt": _styled(task.prompt, task.style),
        "negative_prompt": task.negative_prompt,
        "size": f"{width}*{height}",
    }


def image_to_image(task: Edit, refs: References) -> Body:
    source = refs[Role.IMAGE]
    body: Body = {"model": _MODEL, f"src_file_{source.kind}s": [source.value], "prompt": task.prompt}
    if task.negative_prompt:
        body["negative_prompt"] = task.negative_prompt
    if task.size:
        width, height = within_bounds(task.size.width, task.size.height)
        body["size"] = f"{width}*{height}"
    return body


def replace_masked(task: Edit, refs: References) -> Body:
    return refs[Role.IMAGE].named("src") | refs[Role.MASK].named("msk") | {"prompt": task.prompt}


def hair_transfer(task: Hairstyle, refs: References) -> Body:
    wanted = {"template_id": task.template_id} if task.template_id else refs[Role.REFERENCE].named("ref")
    return refs[Role.IMAGE].named("src") | wanted


def skin_analysis(task: SkinAnalysis, refs: References) -> Body:
    return refs[Role.IMAGE].named("src") | {
        "dst_actions": [vendor_concern(concern, hd=task.hd) for concern in task.actions],
        "format": "json",
    }


def skin_analysis_zip(task: SkinAnalysis, refs: References) -> Body:
    return skin_analysis(task, refs) | {"format": "zip"}


def vendor_concern(concern: Concern, *, hd: bool) -> str:
    """Return the vendor's name of a concern; dark circles in SD are of a second version."""
    if hd:
        return f"hd_{concern.value}"
    return "dark_circle_v2" if concern is Concern.DARK_CIRCLE else concern.value


def our_concern(name: str) -> str:
    """Return the concern's name without the vendor's marks; an unknown name stays as it is."""
    return name.removeprefix("hd_").removesuffix("_v2")


def _styled(prompt: str, style: Style) -> str:
    words = f"{prompt}, {_STYLES[style]}"
    return words if len(words) <= _PROMPT_LONGEST else prompt
