"""What a skin analysis looks at, and what it finds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from PIL import Image, ImageDraw, ImageStat

from closet_devstack.sandbox.perfect.dice import dice
from closet_devstack.sandbox.perfect.pictures.marks import png

SD = frozenset(
    {
        "wrinkle",
        "pore",
        "texture",
        "acne",
        "oiliness",
        "radiance",
        "eye_bag",
        "age_spot",
        "dark_circle_v2",
        "droopy_upper_eyelid",
        "droopy_lower_eyelid",
        "firmness",
        "moisture",
        "redness",
        "tear_trough",
        "skin_type",
    }
)
HD = frozenset(f"hd_{concern.removesuffix('_v2')}" for concern in SD)

Box = tuple[float, float, float, float]

_FACE: Box = (0.40, 0.09, 0.60, 0.27)
# Only these are told by region; each region in shares of the face.
_WHOLE: Box = (0, 0, 1, 1)
_REGIONS: dict[str, dict[str, Box]] = {
    "hd_wrinkle": {"whole": _WHOLE, "forehead": (0.2, 0, 0.8, 0.3), "crowfeet": (0, 0.3, 1, 0.5)},
    "hd_pore": {"whole": _WHOLE, "nose": (0.4, 0.3, 0.6, 0.7), "cheek": (0.1, 0.5, 0.9, 0.8)},
    "hd_acne": {"whole": _WHOLE},
    "hd_texture": {"whole": _WHOLE},
    **{key: {"whole": _WHOLE, "t_zone": _WHOLE, "u_zone": _WHOLE} for key in ("skin_type", "hd_skin_type")},
}
_TYPES = ("Normal", "Oily", "Dry", "Combination", "Redness", "Dry & Redness", "Oily & Redness")
_YOUNGEST = 18
_SPOTS = 14


@dataclass(frozen=True, slots=True)
class Finding:
    """A score from 1 to 100, the higher the better, and where it was found: white on black, of the picture's size.

    A type of skin is a `word`, and has neither.
    """

    concern: str
    region: str | None
    raw_score: float = 0.0
    mask: bytes = b""
    word: str | None = None

    @property
    def ui_score(self) -> int:
        """Kinder, as it is shown to people."""
        return round(50 + self.raw_score / 2)


@dataclass(frozen=True, slots=True)
class Overall:
    """What is said about the whole face."""

    score: float
    skin_age: int


def overall(findings: Sequence[Finding]) -> Overall:
    """From the mean of the scores; a face of which only the type was asked for is as good as any."""
    scores = [finding.raw_score for finding in findings if finding.word is None] or [100.0]
    mean = round(fmean(scores), 3)
    return Overall(mean, _YOUNGEST + round((100 - mean) / 2))


def examine(face: Image.Image, concerns: Sequence[str]) -> list[Finding]:
    """One finding for each concern, or one for each of its regions."""
    return [_finding(face, concern, region, box) for concern, region, box in _looked_at(concerns)]


def _looked_at(concerns: Sequence[str]) -> Iterator[tuple[str, str | None, Box]]:
    for concern in concerns:
        for region, box in _REGIONS.get(concern, {}).items():
            yield concern, region, box
        if concern not in _REGIONS:
            yield concern, None, _WHOLE


def _finding(face: Image.Image, concern: str, region: str | None, box: Box) -> Finding:
    light = ImageStat.Stat(face.convert("L")).mean[0]
    chance = dice(concern, region, f"{light:.6f}")
    if concern.endswith("skin_type"):
        return Finding(concern, region, word=chance.choice(_TYPES))
    mask = Image.new("L", face.size)
    draw = ImageDraw.Draw(mask)
    left, top, right, bottom = _on_face(box, face.size)
    for _ in range(_SPOTS):
        x, y, radius = chance.uniform(left, right), chance.uniform(top, bottom), chance.uniform(2, 10)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), chance.randint(120, 255))
    return Finding(concern, region, round(chance.uniform(35, 98), 3), png(mask))


def _on_face(box: Box, size: tuple[int, int]) -> Box:
    left, top, right, bottom = _FACE
    width, height = right - left, bottom - top
    return (
        (left + box[0] * width) * size[0],
        (top + box[1] * height) * size[1],
        (left + box[2] * width) * size[0],
        (top + box[3] * height) * size[1],
    )
