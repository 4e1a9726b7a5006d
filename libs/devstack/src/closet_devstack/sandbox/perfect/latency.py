"""How long the vendor takes, as distributions."""

import math
from random import Random
from typing import Annotated, Literal

from pydantic import Field

from closet_devstack.sandbox.perfect.model import Document

Ms = Annotated[float, Field(ge=0)]


class Uniform(Document):
    """Anything between two bounds."""

    kind: Literal["uniform"]
    min_ms: Ms = 0
    max_ms: Ms

    def draw(self, chance: Random) -> float:
        return chance.uniform(self.min_ms, self.max_ms)


class Lognormal(Document):
    """Mostly around the median, with a long tail: what services of this kind look like."""

    kind: Literal["lognormal"]
    median_ms: Annotated[float, Field(gt=0)]
    sigma: Annotated[float, Field(ge=0, le=5)] = 0.5

    def draw(self, chance: Random) -> float:
        return chance.lognormvariate(math.log(self.median_ms), self.sigma)


class Exponential(Document):
    """Without memory."""

    kind: Literal["exponential"]
    mean_ms: Annotated[float, Field(gt=0)]

    def draw(self, chance: Random) -> float:
        return chance.expovariate(1 / self.mean_ms)


Distribution = Annotated[Uniform | Lognormal | Exponential, Field(discriminator="kind")]
