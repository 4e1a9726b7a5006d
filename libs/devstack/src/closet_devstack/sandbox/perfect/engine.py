"""Carries tasks out."""

import asyncio

from closet_devstack.sandbox.perfect.errors import EngineError
from closet_devstack.sandbox.perfect.fates import Fate, nothing
from closet_devstack.sandbox.perfect.features import File, Made
from closet_devstack.sandbox.perfect.inputs import Inputs
from closet_devstack.sandbox.perfect.pictures import marks
from closet_devstack.sandbox.perfect.tasks import Task
from closet_devstack.sandbox.perfect.webhooks import Webhooks
from closet_devstack.sandbox.perfect.world import World

_PAINTERS = 2
_FACE = (1080, 1440)


class Engine:
    """Brings inputs, makes results, charges units, tells the webhooks."""

    def __init__(self, world: World, inputs: Inputs, webhooks: Webhooks) -> None:
        self._world = world
        self._inputs = inputs
        self._webhooks = webhooks
        self._running: set[asyncio.Task[None]] = set()
        self._painters = asyncio.Semaphore(_PAINTERS)
        self._fixed = marks.fixed()

    def begin(self, task: Task, *, silent: bool = False) -> asyncio.Task[None]:
        """Start the task; it ends after its latency, or when its result is made if that takes longer.

        Args:
            task: a new one.
            silent: no webhook tells of its end.
        """
        fate = Fate.of(task.occasion, self._world.faults)
        running = asyncio.create_task(self._run(task, fate, silent=silent))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return running

    async def drop(self) -> None:
        """Forget the tasks that run, and the webhooks that are under way."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._webhooks.drop()

    async def _run(self, task: Task, fate: Fate, *, silent: bool) -> None:
        failure: EngineError | None = None
        made = nothing()
        try:
            made = await self._made(task, fate)
        except EngineError as error:
            failure = error
        if fate.is_stuck:
            await asyncio.Event().wait()
        await self._world.clock.sleep_until(task.created_at + (task.latency_ms + fate.longer_ms) / 1000)
        if fate.times_out:
            task.times_out = True
            return
        self._end(task, made, failure)
        if not silent:
            self._webhooks.tell(task)

    async def _made(self, task: Task, fate: Fate) -> Made:
        if fate.error is not None:
            raise EngineError(fate.error)
        made = await self._painted(task)
        return fate.changed(_with_metadata(made) if self._world.settings.result_metadata else made)

    async def _painted(self, task: Task) -> Made:
        references, feature = task.order.references, task.feature
        if self._world.settings.fixed_result:
            return self._at_once(task)
        inputs = [await self._inputs.bring(reference, self._world.uploads) for reference in references]
        async with self._painters:
            return await asyncio.to_thread(feature.paint, inputs, task.order.options)

    def _at_once(self, task: Task) -> Made:
        """The same small picture for all; a larger one where a face is to be analysed."""
        if task.feature.is_analysis:
            return task.feature.paint([marks.fixed(_FACE)], task.order.options)
        return Made((File(self._fixed),))

    def _end(self, task: Task, made: Made, failure: EngineError | None) -> None:
        world = self._world
        task.ended_at = world.now()
        if failure is not None:
            task.status, task.error, task.error_message = "error", failure.code, failure.sentence
            return
        world.keep(task, made)
        units = task.order.units
        world.accounts.of(task.key).charge(task.feature.name, task.told_id, units, task.ended_at)
        task.charged = units
        task.status = "success"


def _with_metadata(made: Made) -> Made:
    files = (File(marks.with_metadata(file.data)) if file.suffix == "jpg" else file for file in made.files)
    return Made(tuple(files), made.told)
