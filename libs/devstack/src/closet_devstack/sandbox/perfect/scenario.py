"""A scenario: how the vendor is at first, and what happens to it as time goes by."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field

from closet_devstack.sandbox.perfect.faults import Fault
from closet_devstack.sandbox.perfect.model import Document, Seconds
from closet_devstack.sandbox.perfect.settings import Settings
from closet_devstack.sandbox.perfect.world import Nudge, World


class Step(Document):
    """What happens `at` seconds of the vendor's clock after the start; in this order."""

    at: Seconds
    clear_faults: bool = False
    settings: Settings = Field(default_factory=Settings)
    """Those that are named change."""
    faults: list[Fault] = Field(default_factory=list)
    nudges: list[Nudge] = Field(default_factory=list)

    def happen(self, world: World) -> None:
        if self.clear_faults:
            world.faults.waiting.clear()
        world.change(self.settings)
        world.faults.add(self.faults)
        for nudge in self.nudges:
            world.nudge(nudge)


class Scenario(Document):
    """`settings` and `faults` hold from the start."""

    description: str = ""
    settings: Settings = Field(default_factory=Settings)
    faults: list[Fault] = Field(default_factory=list)
    steps: Annotated[list[Step], Field(max_length=10_000)] = Field(default_factory=list)


def read_scenario(file: Path) -> Scenario:
    """A YAML file, or JSON if it is called so.

    Raises:
        ValueError: it is no scenario.
        OSError: it cannot be read.
    """
    text = file.read_text()
    try:
        return Scenario.model_validate(json.loads(text) if file.suffix == ".json" else yaml.safe_load(text))
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{file}: {error}") from None


class Director:
    """Lets a scenario's steps happen when their time has come."""

    def __init__(self, world: World, scenario: Scenario) -> None:
        self._world = world
        self._scenario = scenario
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """From the first step, whatever went before."""
        await self.stop()
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        began = self._world.now()
        for step in sorted(self._scenario.steps, key=lambda step: step.at):
            await self._world.clock.sleep_until(began + step.at)
            step.happen(self._world)
