"""What a skin analysis looks at, and what it finds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
_REGIONS: dict[str, dict[str, Box]] = {
    "hd_wrinkle": {"whole": (0, 0, 1, 1), "forehead": (0.2, 0, 0.8, 0.3), "crowfeet": (0, 0.3, 1, 0.5)},
    "hd_pore": {"whole": (0, 0, 1, 1), "nose": (0.4, 0.3, 0.6, 0.7), "cheek": (0.1, 0.5, 0.9, 0.8)},
    "hd_acne": {"whole": (0, 0, 1, 1)},
}
_SPOTS = 14


@dataclass(frozen=True, slots=True)
class Finding:
    """A score from 1 to 100, the higher the better, and where it was found: white on black, of the picture's size."""

    concern: str
    region: str | None
    raw_score: float
    mask: bytes

    @property
    def ui_score(self) -> int:
        """Kinder, as it is shown to people."""
        return round(50 + self.raw_score / 2)


def examine(face: Image.Image, concerns: Sequence[str], *, by_region: bool) -> list[Finding]:
    """One finding for each concern, or one for each of its regions."""
    return [_finding(face, concern, region, box) for concern, region, box in _looked_at(concerns, by_region=by_region)]


def _looked_at(concerns: Sequence[str], *, by_region: bool) -> Iterator[tuple[str, str | None, Box]]:
    for concern in concerns:
        regions = _REGIONS.get(concern) if by_region else None
        for region, box in regions.items() if regions else [(None, (0.0, 0.0, 1.0, 1.0))]:
            yield concern, region, box


def _finding(face: Image.Image, concern: str, region: str | None, box: Box) -> Finding:
    light = ImageStat.Stat(face.convert("L")).mean[0]
    chance = dice(concern, region, f"{light:.6f}")
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
