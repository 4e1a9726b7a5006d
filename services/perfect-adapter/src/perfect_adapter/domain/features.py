"""The table of features: all that there is to know about each kind of task. A new feature is one row and its body."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from closet_contracts.upload import Asset
from closet_contracts.work import Edit, Hairstyle, Role, SkinAnalysis, Task, TextToImage, TryOn

from perfect_adapter.domain import bodies, classic
from perfect_adapter.domain.bodies import Body, References


class ResultKind(StrEnum):
    """What a finished task gives: a picture, scores with masks as JSON, or the same in a ZIP archive."""

    PICTURE = "picture"
    ANALYSIS = "analysis"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the vendor takes of a picture, in pixels. What is larger is scaled down; what is smaller is refused.

    `like`: a mask, which has to have exactly the size of that other picture.
    """

    min_short: int = 0
    min_long: int = 0
    max_long: int = 4096
    jpeg_only: bool = False
    like: Role | None = None


@dataclass(frozen=True, slots=True)
class Feature:
    """One kind of task. `units` is what it costs at the vendor."""

    name: str
    path: str
    result: ResultKind
    inputs: Mapping[Role, Limits]
    units: Callable[[Any], int]
    body: Callable[[Any, References], Body]
    classic: bool = False  # of the classic profile: made while the call waits


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator chose of it: the try-on's engine, how an analysis comes, for how many users v2.x is spoken."""

    try_on_version: str = "v4"
    skin_format: str = "json"
    v2_share: float = 1.0

    def speaks_v2(self, user_id: str) -> bool:
        """The same answer for a user every time."""
        bucket = int.from_bytes(sha256(f"perfect_v2_api:{user_id}".encode()).digest()[:4]) / 2**32
        return bucket < self.v2_share


@dataclass(frozen=True, slots=True)
class Preparation:
    """What has to be done to a picture before the vendor gets it."""

    max_long: int
    mask_size: tuple[int, int] | None = None


class InputTooSmall(Exception):
    """The vendor would refuse it: no call is spent on it."""


def _units(count: int) -> Callable[[Any], int]:
    return lambda _task: count


def _skin_units(task: SkinAnalysis) -> int:
    return 9 if len(task.actions) <= 4 else 12  # noqa: PLR2004 the vendor's price list


_TASK = "/s2s/v2.0/task"
_PERSON = Limits(min_short=384, min_long=512)
_ANY = Limits(min_short=64)
_HAIR = Limits(max_long=1024, jpeg_only=True)
_FACE, _FACE_HD = Limits(min_short=480, max_long=2560), Limits(min_short=1080, max_long=2560)
_ON_PERSON = {Role.PERSON: _PERSON, Role.GARMENT: _PERSON}
_PICTURE = ResultKind.PICTURE

_ROWS = (
    Feature("tryon-v4", f"{_TASK}/cloth-v4", _PICTURE, _ON_PERSON, _units(2), bodies.try_on),
    Feature("tryon-v3", f"{_TASK}/cloth-v3", _PICTURE, _ON_PERSON, _units(2), bodies.try_on_v3),
    Feature("text2img", f"{_TASK}/text-to-image/youcam", _PICTURE, {}, _units(1), bodies.text_to_image),
    Feature("edit", f"{_TASK}/image-to-image/youcam", _PICTURE, {Role.IMAGE: _ANY}, _units(1), bodies.image_to_image),
    Feature(
        "edit-masked",
        f"{_TASK}/obj-replace",
        _PICTURE,
        {Role.IMAGE: _ANY, Role.MASK: Limits(like=Role.IMAGE)},
        _units(1),
        bodies.replace_masked,
    ),
    Feature(
        "hairstyle",
        "/s2s/v2.1/task/hair-transfer",
        _PICTURE,
        {Role.IMAGE: _HAIR, Role.REFERENCE: _HAIR},
        _units(2),
        bodies.hair_transfer,
    ),
    *(
        Feature(name, "/s2s/v2.1/task/skin-analysis", result, {Role.IMAGE: face}, _skin_units, body)
        for name, result, face, body in (
            ("skin", ResultKind.ANALYSIS, _FACE, bodies.skin_analysis),
            ("skin-hd", ResultKind.ANALYSIS, _FACE_HD, bodies.skin_analysis),
            ("skin-zip", ResultKind.ARCHIVE, _FACE, bodies.skin_analysis_zip),
            ("skin-hd-zip", ResultKind.ARCHIVE, _FACE_HD, bodies.skin_analysis_zip),
        )
    ),
    *(
        Feature(f"classic-{name}", f"/ai-api/v1/{path}", _PICTURE, inputs, _units(1), body, classic=True)
        for name, path, inputs, body in (
            ("tryon", "fashion/tryon", _ON_PERSON, classic.try_on),
            ("text2img", "text2img", {}, classic.text_to_image),
            ("edit", "image-edit", {Role.IMAGE: _ANY, Role.MASK: Limits(like=Role.IMAGE)}, classic.edit),
            ("hairstyle", "hairstyle/tryon", {Role.IMAGE: _HAIR, Role.REFERENCE: _HAIR}, classic.hairstyle),
        )
    ),
)
FEATURES: Mapping[str, Feature] = {row.name: row for row in _ROWS}
"""Name -> feature."""


def feature_of(task: Task, roles: Collection[Role], options: Options, user_id: str) -> Feature:
    """How the task is asked for. The classic profile has no scores of skin."""
    if not isinstance(task, SkinAnalysis) and not options.speaks_v2(user_id):
        return FEATURES[f"classic-{task.kind}"]
    match task:
        case TryOn():
            return FEATURES[f"tryon-{options.try_on_version}"]
        case TextToImage():
            return FEATURES["text2img"]
        case Edit():
            return FEATURES["edit-masked" if Role.MASK in roles else "edit"]
        case Hairstyle():
            return FEATURES["hairstyle"]
        case SkinAnalysis(hd=hd):
            archive = "-zip" if options.skin_format == "zip" else ""
            return FEATURES[f"skin{'-hd' if hd else ''}{archive}"]


def preparations(feature: Feature, inputs: Mapping[Role, Asset]) -> dict[Role, Preparation]:
    """What has to be done to which of the inputs; most need nothing.

    Raises:
        InputTooSmall: the vendor would not take one.
    """
    needed: dict[Role, Preparation] = {}
    for role, limits in feature.inputs.items():
        picture = inputs.get(role)
        if picture is not None and (preparation := _preparation(limits, picture, inputs)):
            needed[role] = preparation
    return needed


def _preparation(limits: Limits, picture: Asset, inputs: Mapping[Role, Asset]) -> Preparation | None:
    short, long = sorted((picture.width, picture.height))
    if limits.like:
        like = inputs[limits.like]
        return Preparation(limits.max_long, (like.width, like.height))
    if short < limits.min_short or long < limits.min_long:
        raise InputTooSmall
    fits = long <= limits.max_long and (not limits.jpeg_only or picture.content_type == "image/jpeg")
    return None if fits else Preparation(limits.max_long)
