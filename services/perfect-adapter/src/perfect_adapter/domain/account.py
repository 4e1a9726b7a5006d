"""What the vendor says about our account and about what it offers."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Charge:
    """A line of an account's history: units were taken for this task."""

    task_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Style:
    """A template that the vendor offers."""

    template_id: str
    title: str
    category: str | None
    thumbnail_url: str | None
