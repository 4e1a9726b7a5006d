"""What happens to the shoppers of two tenants: every way in which a try-on can end, and how it has to."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from billing_meter.domain.movements import Receipt, ReceiptKind, wallet_of
from billing_meter.handlers.receipts import publish_prices, receive_credits
from closet_contracts.generation import Input
from closet_contracts.ownership import Service
from closet_contracts.work import Role, TryOn
from closet_devstack import samples
from closet_devstack.sandbox.perfect.remote import Remote
from closet_storage.keys import upload_key
from kiosk_gateway.domain.access import Caller
from kiosk_gateway.handlers import consents
from kiosk_gateway.handlers.intake import JobRequest
from kiosk_gateway.handlers.jobs import cancel
from kiosk_gateway.handlers.projection import JobChangeNotifier, JobWatchers
from kiosk_gateway.handlers.uploads import NewUpload

from tests.chaos.in_process import CONSENT_VERSION, InProcessServices
from tests.chaos.snapshot import End, Snapshot
from tests.chaos.unordered_bus import UnorderedBus

SHOP, KIOSK, BROKE = "shop", "kiosk", "broke"
CREDITS = {SHOP: 1000, KIOSK: 5, BROKE: 3}
PRICE = 5


class Scenario(StrEnum):
    """What a shopper goes through."""

    HAPPY = "gets the picture"
    NOBODY = "sends a photo of nobody"
    NOT_AN_IMAGE = "sends something that is no picture"
    NEVER_SENT = "never sends the photo"
    CANCELS = "cancels at once"
    CANCELS_LATE = "cancels when the work has just been given out"
    WITHDRAWS = "takes consent back before the picture is made"
    RETURNS = "takes consent back, gives it again, asks again"
    TOO_LATE = "has no time left"
    LAST_CREDITS = "one of two for whom there are credits for one"
    NO_CREDITS = "has too few credits"


DONE = End("completed", None, "completed", 1, PRICE)


def _ended(phase: str, code: str) -> End:
    return End(phase, code, phase, 0, 0)


ENDS: Mapping[Scenario, Counter[End]] = {
    Scenario.HAPPY: Counter({DONE: 4}),
    Scenario.NOBODY: Counter([_ended("failed", "person_not_found")]),
    Scenario.NOT_AN_IMAGE: Counter([_ended("failed", "not_a_picture")]),
    Scenario.NEVER_SENT: Counter([_ended("failed", "input_missing")]),
    Scenario.CANCELS: Counter([_ended("cancelled", "cancelled")]),
    Scenario.CANCELS_LATE: Counter({_ended("cancelled", "cancelled"): 6}),
    Scenario.WITHDRAWS: Counter({_ended("cancelled", "consent_withdrawn"): 2}),
    Scenario.RETURNS: Counter([_ended("cancelled", "consent_withdrawn"), DONE]),
    Scenario.TOO_LATE: Counter([_ended("expired", "deadline_passed")]),
    Scenario.LAST_CREDITS: Counter([DONE, _ended("failed", "insufficient_credits")]),
    Scenario.NO_CREDITS: Counter([_ended("failed", "insufficient_credits")]),
}
"""How the jobs of each story end."""

ORDERED = frozenset({Scenario.HAPPY, Scenario.NOBODY, Scenario.RETURNS, Scenario.LAST_CREDITS})
"""Stories in which something is ordered from the vendor."""


@dataclass
class Shoppers:
    """Plays the stories in a services; `jobs` are those of each."""

    services: InProcessServices
    bus: UnorderedBus
    vendor: Remote
    jobs: dict[Scenario, list[str]] = field(default_factory=dict)

    async def play(self) -> None:
        """Everything up to the last end.

        What ends a job before its picture is made happens while nothing is ordered from the vendor yet: later it would
        be a race that either side may win.
        """
        async with self.services.transaction(Service.BILLING_METER) as tx:
            await publish_prices(tx)
        await self.bus.settle(at_vendor=False)
        await self._ask()
        await self._grant()
        await self._think_again()
        await self.bus.settle(at_vendor=False, until=self._is_given_out)
        await self._cancel(Scenario.CANCELS_LATE)
        await self.bus.settle(at_vendor=False)
        await self.vendor.change(webhook_urls=[self.services.webhook_url])
        await self.vendor.fault("webhook_double", count=-1)
        await self.vendor.fault("engine_error", count=2, code="unknown_internal_error")  # may be tried again
        await self.bus.settle(at_vendor=True)

    def ordered(self, books: Snapshot) -> set[Scenario]:
        """The stories in which something was ordered from the vendor."""
        at_vendor = {row["job_id"] for row in books.rows["renders"] if row["task_id"]}
        return {story for story, jobs in self.jobs.items() if at_vendor & set(jobs)}

    def ends(self, books: Snapshot) -> dict[Scenario, Counter[End]]:
        """How the jobs of each story ended."""
        return {story: Counter(books.end_of(job_id) for job_id in jobs) for story, jobs in self.jobs.items()}

    async def _ask(self) -> None:
        person, blank = samples.person_jpeg(), samples.blank_jpeg()
        await asyncio.gather(
            self._tell(Scenario.HAPPY, Caller(SHOP, "ann"), person, times=2),
            self._tell(Scenario.HAPPY, Caller(SHOP, "zoe"), person, times=2),
            self._tell(Scenario.NOBODY, Caller(SHOP, "ann"), blank),
            self._tell(Scenario.NOT_AN_IMAGE, Caller(SHOP, "ann"), b"%PDF-1.7 no picture at all"),
            self._tell(Scenario.NEVER_SENT, Caller(SHOP, "ann"), None),
            self._tell(Scenario.CANCELS, Caller(SHOP, "ann"), person),
            self._tell(Scenario.CANCELS_LATE, Caller(SHOP, "ann"), person, times=6),
            self._tell(Scenario.WITHDRAWS, Caller(SHOP, "mia"), person, times=2),
            self._tell(Scenario.RETURNS, Caller(SHOP, "nic"), person),
            self._tell(Scenario.TOO_LATE, Caller(SHOP, "ann"), person, late=True),
            self._tell(Scenario.LAST_CREDITS, Caller(KIOSK, "ann"), person, times=2),
            self._tell(Scenario.NO_CREDITS, Caller(BROKE, "ann"), person),
        )

    async def _tell(
        self, story: Scenario, who: Caller, photo: bytes | None, *, times: int = 1, late: bool = False
    ) -> None:
        """Uploads the pictures once, and asks for so many try-ons."""
        async with self.services.transaction(Service.KIOSK_GATEWAY) as tx:
            await consents.give(tx, who, CONSENT_VERSION)
        inputs = [await self._upload(who, picture) for picture in (photo, samples.garment_png())]
        await self._post(story, [self._asked(who, inputs) for _ in range(times)], late=late)

    async def _upload(self, who: Caller, picture: bytes | None) -> str:
        upload_id = await self.services.uploads.announce(NewUpload(who.tenant, who.user, None))
        if picture is not None:
            await self.services.objects.put(upload_key(who.tenant, upload_id), picture, "image/png")
        return upload_id

    def _asked(self, who: Caller, inputs: Sequence[str]) -> JobRequest:
        roles = (Role.PERSON, Role.GARMENT)
        parts = tuple(Input(role=role, upload_id=upload) for role, upload in zip(roles, inputs, strict=True))
        return JobRequest(who.tenant, who.user, TryOn(), parts, None)

    async def _post(self, story: Scenario, asked: Iterable[JobRequest], *, late: bool = False) -> None:
        intake = self.services.late_intake if late else self.services.intake
        answers = await asyncio.gather(*(intake.submit(one) for one in asked))
        self.jobs.setdefault(story, []).extend(str(answer["jobId"]) for answer in answers)

    async def _grant(self) -> None:
        """After the requests: the gateway, which refuses whom it knows to be broke, has heard of no balance yet."""
        async with self.services.transaction(Service.BILLING_METER) as tx:
            for tenant, credits in CREDITS.items():
                receipt = Receipt(ReceiptKind.GRANT, f"receipt:{tenant}", tenant, wallet_of(tenant), credits, "chaos")
                await receive_credits(tx, receipt)

    async def _think_again(self) -> None:
        await self._cancel(Scenario.CANCELS)
        async with self.services.transaction(Service.KIOSK_GATEWAY) as tx:
            await consents.withdraw(tx, Caller(SHOP, "mia"))
            await consents.withdraw(tx, Caller(SHOP, "nic"))
        await self._tell(Scenario.RETURNS, Caller(SHOP, "nic"), samples.person_jpeg())

    async def _cancel(self, story: Scenario) -> None:
        async with self.services.transaction(Service.KIOSK_GATEWAY) as tx:
            for job_id in self.jobs[story]:
                await cancel(JobChangeNotifier(JobWatchers()), tx, Caller(SHOP, "ann"), job_id)

    async def _is_given_out(self) -> bool:
        given_out = await self.services.pools[Service.JOB_ORCHESTRATOR].fetchval(
            "SELECT bool_or(phase = 'dispatched') FROM jobs WHERE job_id = ANY($1)", self.jobs[Scenario.CANCELS_LATE]
        )
        return bool(given_out)
