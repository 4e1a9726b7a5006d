"""The table of features: everything about each kind of task. A new feature is one row and its body. Pure."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from closet_contracts.upload import Asset
from closet_contracts.work import (
    Edit,
    Hairstyle,
    Role,
    SkinAnalysis,
    Task,
    TextToImage,
    TryOn,
    UnknownKind,
    UnknownWork,
)

from perfect_adapter.vendor import bodies, classic_bodies
from perfect_adapter.vendor.bodies import Body, References

UNKNOWN_TYPICAL_S = 8.0
"""The vendor publishes no times. Less would order, and pay for, what comes too late; much more would refuse what could
be made, and then no history would ever correct it."""


class ResultKind(StrEnum):
    """What a finished task gives: a picture, scores with masks as JSON, or the same in a ZIP archive."""

    PICTURE = "picture"
    ANALYSIS = "analysis"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the vendor accepts of a picture, in pixels. A larger one is scaled down, a smaller one refused.

    `max_long`: None if the vendor scales by itself. `like`: a mask, which has to have exactly the size that the
    picture in this other role, which stands before it, has when it is sent.
    """

    min_short: int = 0
    min_long: int = 0
    max_long: int | None = 4096
    jpeg_only: bool = False
    like: Role | None = None


@dataclass(frozen=True, slots=True)
class Feature:
    """One kind of task. `units` is what it costs at the vendor, `typical_s` what it takes there until that is known."""

    name: str
    path: str
    result: ResultKind
    _: KW_ONLY
    inputs: Mapping[Role, Limits]
    units: Callable[[Any], int]
    body: Callable[[Any, References], Body]
    is_classic: bool = False  # of the classic profile: made while the call waits
    typical_s: float = UNKNOWN_TYPICAL_S


@dataclass(frozen=True, slots=True)
class FeatureOptions:
    """What an operator chose: the try-on's engine, the format of an analysis, the share of users who get v2.x."""

    try_on_version: str = "v4"
    skin_format: str = "json"
    v2_share: float = 1.0

    def uses_v2(self, user_id: str) -> bool:
        """Return whether this user gets v2.x: the same answer every time."""
        bucket = int.from_bytes(sha256(f"perfect_v2_api:{user_id}".encode()).digest()[:4]) / 2**32
        return bucket < self.v2_share


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a picture is prepared for the vendor: a mask gets the size of the picture in the role `like`."""

    max_long: int
    like: Role | None = None


class InputTooSmall(Exception):
    """The vendor would refuse the picture: no call is spent on it."""


class InputTooNarrow(Exception):
    """Scaled down to the vendor's maximum, the picture's short side would be below its minimum."""


def _units(count: int) -> Callable[[Any], int]:
    return lambda _task: count


_SKIN_TIER = 4
_SKIN_UNITS, _SKIN_HD_UNITS = (9, 12, 14, 16), (12, 16, 20, 22)


def _skin_units(task: SkinAnalysis) -> int:
    """Return the units by the number of concerns: 1-4, 5-8, 9-12, 13-16."""
    return (_SKIN_HD_UNITS if task.hd else _SKIN_UNITS)[(len(task.actions) - 1) // _SKIN_TIER]


# The limits are those of the published pages of the features.
_TASK = "/s2s/v2.0/task"
_SKIN = "/s2s/v2.1/task/skin-analysis"
_PERSON = Limits(min_short=384, min_long=512)
_EDITED = Limits(min_short=384, max_long=3072)
_MASKED = Limits(min_short=64, max_long=2048)
_CLASSIC = Limits(min_short=64)
_HAIR = Limits(max_long=1024, jpeg_only=True)
_FACE, _FACE_HD = Limits(min_short=480, max_long=None), Limits(min_short=1080, max_long=None)
_ON_PERSON = {Role.PERSON: _PERSON, Role.GARMENT: _PERSON}
_PICTURE = ResultKind.PICTURE

_ROWS = (
    Feature("tryon-v4", f"{_TASK}/cloth-v4", _PICTURE, inputs=_ON_PERSON, units=_units(2), body=bodies.try_on),
    Feature("tryon-v3", f"{_TASK}/cloth-v3", _PICTURE, inputs=_ON_PERSON, units=_units(2), body=bodies.try_on_v3),
    Feature(
        "text2img",
        f"{_TASK}/text-to-image/youcam",
        _PICTURE,
        inputs={},
        units=_units(1),
        body=bodies.text_to_image,
    ),
    Feature(
        "edit",
        f"{_TASK}/image-to-image/youcam",
        _PICTURE,
        inputs={Role.IMAGE: _EDITED},
        units=_units(1),
        body=bodies.image_to_image,
    ),
    Feature(
        "edit-masked",
        f"{_TASK}/obj-replace",
        _PICTURE,
        inputs={Role.IMAGE: _MASKED, Role.MASK: Limits(like=Role.IMAGE)},
        units=_units(1),
        body=bodies.replace_masked,
    ),
    Feature(
        "hairstyle",
        "/s2s/v2.1/task/hair-transfer",
        _PICTURE,
        inputs={Role.IMAGE: _HAIR, Role.REFERENCE: _HAIR},
        units=_units(2),
        body=bodies.hair_transfer,
    ),
    *(
        Feature(name, _SKIN, result, inputs={Role.IMAGE: face}, units=_skin_units, body=body)
        for name, result, face, body in (
            ("skin", ResultKind.ANALYSIS, _FACE, bodies.skin_analysis),
            ("skin-hd", ResultKind.ANALYSIS, _FACE_HD, bodies.skin_analysis),
            ("skin-zip", ResultKind.ARCHIVE, _FACE, bodies.skin_analysis_zip),
            ("skin-hd-zip", ResultKind.ARCHIVE, _FACE_HD, bodies.skin_analysis_zip),
        )
    ),
    *(
        Feature(
            f"classic-{name}",
            f"/ai-api/v1/{path}",
            _PICTURE,
            inputs=inputs,
            units=_units(1),
            body=body,
            is_classic=True,
        )
        for name, path, inputs, body in (
            ("tryon", "fashion/tryon", _ON_PERSON, classic_bodies.try_on),
            ("text2img", "text2img", {}, classic_bodies.text_to_image),
            ("edit", "image-edit", {Role.IMAGE: _CLASSIC, Role.MASK: Limits(like=Role.IMAGE)}, classic_bodies.edit),
            ("hairstyle", "hairstyle/tryon", {Role.IMAGE: _HAIR, Role.REFERENCE: _HAIR}, classic_bodies.hairstyle),
        )
    ),
)
FEATURES: Mapping[str, Feature] = {row.name: row for row in _ROWS}
"""Name -> feature."""


def feature_of(task: Task, roles: Collection[Role], options: FeatureOptions, user_id: str) -> Feature:
    """Return the feature of a task. The classic profile has no scores of skin.

    Raises:
        UnknownKind: only a newer release can do this.
    """
    if isinstance(task, UnknownWork):
        raise UnknownKind(task.kind)
    if not isinstance(task, SkinAnalysis) and not options.uses_v2(user_id):
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
    """Return the preparation of each input that needs one, in the order of the feature's table.

    Raises:
        InputTooSmall, InputTooNarrow: the vendor would refuse one.
    """
    needed: dict[Role, Preparation] = {}
    for role, limits in feature.inputs.items():
        picture = inputs.get(role)
        if picture is not None and (preparation := _preparation(limits, picture)):
            needed[role] = preparation
    return needed


def _preparation(limits: Limits, picture: Asset) -> Preparation | None:
    short, long = sorted((picture.width, picture.height))
    max_long = limits.max_long or long
    if limits.like:
        return Preparation(max_long, limits.like)
    if short < limits.min_short or long < limits.min_long:
        raise InputTooSmall
    if short * max_long < limits.min_short * long and long > max_long:
        raise InputTooNarrow
    fits = long <= max_long and (not limits.jpeg_only or picture.content_type == "image/jpeg")
    return None if fits else Preparation(max_long)
