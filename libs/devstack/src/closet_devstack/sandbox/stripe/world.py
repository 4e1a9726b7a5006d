"""What the sandbox knows: objects by their ids, usage, events."""

import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from closet_devstack.sandbox.stripe.errors import missing
from closet_devstack.sandbox.stripe.settings import Fault, Settings

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Usage:
    """A meter event that was taken."""

    identifier: str
    customer: str
    value: int
    at: int


@dataclass(slots=True)
class World:
    """Everything that is forgotten with the process."""

    settings: Settings
    objects: dict[str, Object] = field(default_factory=dict)
    usage: list[Usage] = field(default_factory=list)
    events: list[Object] = field(default_factory=list)
    answers: dict[str, tuple[bytes, int, bytes]] = field(default_factory=dict)
    """Idempotency key -> what was asked, and what was answered."""
    faults: list[Fault] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def reset(self) -> None:
        """Everything but the secrets is as new; ids go on, so that old ones mean nothing."""
        self.settings = Settings(api_key=self.settings.api_key, webhook_secret=self.settings.webhook_secret)
        for known in (self.objects, self.usage, self.events, self.answers, self.faults, self.calls):
            known.clear()

    def now(self) -> int:
        """The sandbox's clock, in seconds."""
        return int(time.time())

    def new_id(self, prefix: str) -> str:
        """An id as Stripe writes them."""
        return f"{prefix}_sandbox{next(self._numbers):08d}"

    def create(self, prefix: str, kind: str, **values: Any) -> Object:  # noqa: ANN401 what JSON can say
        """A new object."""
        made = {"id": self.new_id(prefix), "object": kind, "created": self.now(), "livemode": False, **values}
        self.objects[made["id"]] = made
        return made

    def find(self, kind: str, object_id: str) -> Object:
        """The object of that id; 404 if there is none of that kind."""
        found = self.objects.get(object_id)
        if found is None or found["object"] != kind:
            raise missing(kind, object_id)
        return found

    def of_kind(self, kind: str) -> Sequence[Object]:
        """All objects of a kind, the oldest first."""
        return [one for one in self.objects.values() if one["object"] == kind]

    def tell(self, kind: str, about: Object) -> Object:
        """An event of the v1 API: it carries a copy of its object as it was."""
        event = {
            "id": self.new_id("evt"),
            "object": "event",
            "type": kind,
            "created": self.now(),
            "livemode": False,
            "data": {"object": dict(about)},
        }
        self.events.append(event)
        return event

    def fault_for(self, path: str) -> str | None:
        """What is to happen to this call instead, if anything."""
        for fault in self.faults:
            if path.startswith(fault.path):
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
                return fault.kind
        return None
