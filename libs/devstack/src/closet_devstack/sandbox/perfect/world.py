"""Everything the vendor knows, in memory."""

from collections import Counter
from collections.abc import Sequence

from pydantic import Field

from closet_devstack.sandbox.perfect.clock import Clock
from closet_devstack.sandbox.perfect.dice import dice
from closet_devstack.sandbox.perfect.faults import Fault, Faults, Occasion
from closet_devstack.sandbox.perfect.features import Feature, Made, Order
from closet_devstack.sandbox.perfect.model import Document
from closet_devstack.sandbox.perfect.quota import Quota
from closet_devstack.sandbox.perfect.settings import Settings
from closet_devstack.sandbox.perfect.storage import Shelf, Signer
from closet_devstack.sandbox.perfect.tasks import Task, new_id
from closet_devstack.sandbox.perfect.tokens import Tokens
from closet_devstack.sandbox.perfect.units import Accounts
from closet_devstack.sandbox.perfect.uploads import Uploads


class Nudge(Document):
    """A change of the world that is no setting."""

    units: int | None = None
    """The balance, of `key` or of all keys."""
    key: str | None = Field(default=None, repr=False)
    advance_s: float = 0
    """Put the vendor's clock forward; a negative number puts it back."""
    forget_task: str | None = None
    """This task times out at once; what was charged stays charged."""


class World:
    """The vendor's state."""

    def __init__(self, settings: Settings, units: int, faults: Sequence[Fault] = ()) -> None:
        self._first = settings, units, tuple(faults)
        self.reset()

    def reset(self) -> None:
        """As it was in the beginning."""
        self.settings, units, faults = self._first
        self.clock = Clock(self.settings.speed)
        self.accounts = Accounts(units)
        self.quota = Quota()
        self.faults = Faults(self.settings.seed, faults)
        self.calls: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self.webhooks: Counter[str] = Counter()
        self.tasks: dict[str, Task] = {}
        self.results = Shelf()
        self.owners: dict[str, Task] = {}
        self.downloaded: set[str] = set()
        self.uploads = Uploads()
        self.signer = Signer()
        self.tokens = Tokens()
        self._set_balances(self.settings)

    def now(self) -> float:
        """Epoch seconds by the vendor's clock."""
        return self.clock.now()

    def change(self, changes: Settings) -> None:
        """Take over the settings that are set in it; the rest stay."""
        named = changes.model_dump(by_alias=False, exclude_unset=True)
        self.settings = Settings(**{**self.settings.model_dump(by_alias=False), **named})
        if "speed" in named:
            self.clock.run_at(self.settings.speed)
        if "seed" in named:
            self.faults.reseed(self.settings.seed)
        self._set_balances(changes)

    def nudge(self, nudge: Nudge) -> None:
        self.clock.advance(nudge.advance_s)
        if nudge.units is not None and nudge.key is not None:
            self.accounts.set_balance(nudge.key, nudge.units)
        elif nudge.units is not None:
            self.accounts.set_all(nudge.units)
        if nudge.forget_task in self.tasks:
            self.tasks[nudge.forget_task].gone = True

    def create(self, feature: Feature, order: Order, occasion: Occasion) -> Task:
        settings = self.settings
        latency_ms = float(settings.latency_ms)
        if settings.latency_distribution:
            latency_ms += settings.latency_distribution.draw(dice(settings.seed, "latency", len(self.tasks)))
        numeric = settings.numeric_ids
        task = Task(new_id(numeric=numeric), feature, order, occasion, self.now(), latency_ms, numeric)
        self.tasks[task.id] = task
        return task

    def available_units(self, key: str) -> int:
        """The key's balance, less what its running tasks have set aside where tasks do."""
        balance = self.accounts.of(key).balance
        if not self.settings.reserve_units:
            return balance
        running = (task for task in self.tasks.values() if task.key == key and task.is_running)
        return balance - sum(task.order.units for task in running)

    def find(self, task_id: str, key: str, feature: Feature | None = None) -> Task | None:
        """The task, if it is this key's, of this feature if one is named, and not timed out."""
        task = self.tasks.get(task_id)
        if task is None or task.key != key or (feature is not None and task.feature.name != feature.name):
            return None
        return task if task.is_known(self.now(), self.settings.look_window_s) else None

    def keep(self, task: Task, made: Made) -> None:
        """Put a task's files into the storage."""
        task.told = made.told
        task.files = tuple(f"{task.token}_{index}.{file.suffix}" for index, file in enumerate(made.files))
        for name, file in zip(task.files, made.files, strict=True):
            self.results.put(name, file.data)
            self.owners[name] = task

    def delete(self, task: Task) -> None:
        """The task, its results, and the files that it was made from."""
        task.gone = True
        for name in task.files:
            self.results.drop(name)
        for reference in task.order.references:
            if reference.file_id:
                self.uploads.delete(reference.file_id)

    def _set_balances(self, settings: Settings) -> None:
        for key in settings.api_keys:
            self.accounts.of(key)
        for key, units in settings.units.items():
            self.accounts.set_balance(key, units)
