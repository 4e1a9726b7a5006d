"""What a verb of the operator's is."""

from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from closet_messaging.transaction import Tx

from billing_meter.admin.options import Option

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of the command line, done in one transaction; its answer is printed."""

    help: str
    options: tuple[Option, ...]
    run: Callable[[Tx, Namespace], Awaitable[Answer]]
