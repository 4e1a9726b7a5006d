"""The vendor's clock against ours, which is the database's: all replicas correct the vendor's times by the same number.

It is measured from the `Date` of the vendor's answers; what the history says of tasks that we know bounds it further,
for the history may be written by another machine's clock than the answers. Pure.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from statistics import median

from perfect_adapter.vendor.answers import UnitCharge
from perfect_adapter.vendor.leases import now_s

LONGEST_S = 240.0
"""A clock that is further off is ignored; from 300 s on webhooks are refused as well."""
SAMPLES = 5
SAMPLED_EVERY_S = 3.0
_QUICK_S = 5.0
_HALF_A_SECOND = 0.5  # a Date is cut off to the second


@dataclass(eq=False)
class ServerDates:
    """The newest `Date` of the vendor's answers, until it is stored."""

    _newest: tuple[float, float] | None = field(default=None, init=False)

    def note(self, date: str, began_s: float) -> None:
        """Note the `Date` header of an answer that has just come; its call began at `began_s` (of `leases.now_s`)."""
        took_s = now_s() - began_s
        try:
            moment = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        if took_s <= _QUICK_S:
            self._newest = moment + _HALF_A_SECOND, began_s + took_s / 2

    def take(self) -> tuple[float, float] | None:
        """Return the vendor's time (epoch seconds) and how many seconds ago that was, once."""
        newest, self._newest = self._newest, None
        return (newest[0], now_s() - newest[1]) if newest else None


def ahead_s(samples: Sequence[float]) -> float:
    """Return the seconds that the vendor's clock is ahead: the median, 0 where nothing usable was measured."""
    measured = median(samples) if samples else 0.0
    return measured if abs(measured) <= LONGEST_S else 0.0


def bound_by_charges(
    measured_s: float, charges: Collection[UnitCharge], known: dict[str, tuple[datetime, datetime]]
) -> float:
    """Return the measured difference, bounded by the history's charges.

    Args:
        measured_s: how far the vendor's clock seems to be ahead.
        charges: as the history says them.
        known: task -> when it was ordered, and when it is known to have ended, by our clock. Its charge lies between.
    """
    bounds = [(one.at, *known[one.task_id]) for one in charges if one.task_id in known]
    if not bounds:
        return measured_s
    least = max((at - ended).total_seconds() for at, _, ended in bounds)
    most = min((at - asked).total_seconds() for at, asked, _ in bounds)
    return min(max(measured_s, least), most) if least <= most else measured_s


def to_our_clock(charges: Collection[UnitCharge], ahead: float) -> tuple[UnitCharge, ...]:
    """Return the charges with their times by our clock."""
    return tuple(replace(one, at=datetime.fromtimestamp(one.at.timestamp() - ahead, one.at.tzinfo)) for one in charges)
