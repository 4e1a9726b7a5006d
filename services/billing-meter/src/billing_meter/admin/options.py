"""The options of the operator's verbs."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from closet_contracts.credit import PriceBook
from closet_contracts.ids import DeviceId, JobId, TenantId
from pydantic import TypeAdapter

from billing_meter.domain.movements import device_wallet, wallet_of


@dataclass(frozen=True, slots=True)
class Option:
    """One option, as argparse takes it."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)

    def add_to(self, parser: ArgumentParser) -> None:
        parser.add_argument(self.name, **self.settings)


def wallet(options: Namespace) -> str:
    """Return the wallet that is meant: the device's if one is named, else the tenant's."""
    return device_wallet(options.device) if options.device else wallet_of(options.tenant)


def moment(text: str) -> datetime:
    """Return a time given in ISO 8601; without an offset it is UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _validated(kind: Any, text: str) -> str:  # noqa: ANN401 one of the annotated kinds of ids
    return TypeAdapter[str](kind).validate_python(text)


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise ValueError("at least 1")
    return number


def _thresholds(text: str) -> list[int]:
    return [_positive(one) for one in text.split(",") if one]


def _book(file: str) -> PriceBook:
    return PriceBook.model_validate_json(Path(file).read_bytes())


def _of(parse: Callable[[str], object], words: str, *, required: bool = True) -> dict[str, Any]:
    return {"required": required, "type": parse, "help": words}


TENANT = Option("--tenant", _of(partial(_validated, TenantId), "the tenant"))
DEVICE = Option(
    "--device",
    _of(partial(_validated, DeviceId), "the device whose own wallet it is, instead of the tenant's", required=False),
)
CREDITS = Option("--credits", _of(_positive, "how many credits"))
CHANGE = Option("--credits", _of(int, "how many credits, up or down"))
RECEIPT = Option("--receipt", _of(str, "the number of the receipt: one receipt is booked once"))
JOB = Option("--job", _of(partial(_validated, JobId), "the job"))
RESERVE = Option("--reserve", _of(str, "the reserve's id"))
UNTIL = Option("--until", _of(moment, "until when, such as 2026-12-31"))
FROM = Option("--from", _of(moment, "from when", required=True) | {"dest": "since"})
REASON = Option("--reason", {"help": "why, in words"})
WHY = Option("--reason", _of(str, "why, in words"))
ACTOR = Option("--actor", {"default": "operator", "help": "who does it"})
PLAN = Option("--price", _of(str, "the price at Stripe that the plan is sold by"))
TOPUP = Option("--topup", _of(str, "the top-up's id"))
INVOICE = Option("--invoice", _of(str, "the invoice's id at Stripe"))
CENTS = Option("--usd-cents", _of(_positive, "how much money, in US cents"))
BELOW = Option("--below", _of(_positive, "buy when fewer credits are available"))
WORK = Option("--work", _of(str, "the work item's id, as `failed` shows it"))
ON = Option("--off", {"action": "store_false", "dest": "on", "help": "stop"})
LOW_AT = Option("--at", _of(_thresholds, "thresholds, such as 100,20"))
BOOK = Option("book", {"type": _book, "metavar": "FILE", "help": "a price book as JSON"})
