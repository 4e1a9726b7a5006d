"""The vendor's answers about our account and about what it offers. Pure."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class UnitCharge:
    """An entry of an account's history: units were charged for this task."""

    task_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class VendorTemplate:
    """A template that the vendor offers."""

    template_id: str
    title: str
    category: str | None
    thumbnail_url: str | None


@dataclass(frozen=True, slots=True)
class Balance:
    """The units that an account has left."""

    units: int


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The newest charges of an account; `more` if there are older ones."""

    charges: tuple[UnitCharge, ...]
    more: str | None


@dataclass(frozen=True, slots=True)
class VendorTemplatePage:
    """A page of templates; `more` leads to the next."""

    templates: tuple[VendorTemplate, ...]
    more: str | None
