"""What happens to the shoppers of two tenants: every way in which a try-on can end, and how it has to."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from billing_meter.domain.movements import Receipt, wallet_of
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

from tests.chaos.books import Books, End
from tests.chaos.disorder import UnrulyBus
from tests.chaos.house import CONSENT_VERSION, House

SHOP, KIOSK, BROKE = "shop", "kiosk", "broke"
CREDITS = {SHOP: 1000, KIOSK: 5, BROKE: 3}
PRICE = 5


class Story(StrEnum):
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


ENDS: Mapping[Story, Counter[End]] = {
    Story.HAPPY: Counter({DONE: 4}),
    Story.NOBODY: Counter([_ended("failed", "person_not_found")]),
    Story.NOT_AN_IMAGE: Counter([_ended("failed", "not_a_picture")]),
    Story.NEVER_SENT: Counter([_ended("failed", "input_missing")]),
    Story.CANCELS: Counter([_ended("cancelled", "cancelled")]),
    Story.CANCELS_LATE: Counter({_ended("cancelled", "cancelled"): 6}),
    Story.WITHDRAWS: Counter({_ended("cancelled", "consent_withdrawn"): 2}),
    Story.RETURNS: Counter([_ended("cancelled", "consent_withdrawn"), DONE]),
    Story.TOO_LATE: Counter([_ended("expired", "deadline_passed")]),
    Story.LAST_CREDITS: Counter([DONE, _ended("failed", "insufficient_credits")]),
    Story.NO_CREDITS: Counter([_ended("failed", "insufficient_credits")]),
}
"""How the jobs of each story end."""

ORDERED = frozenset({Story.HAPPY, Story.NOBODY, Story.RETURNS, Story.LAST_CREDITS})
"""Stories in which something is ordered from the vendor."""


@dataclass
class Shoppers:
    """Plays the stories in a house; `jobs` are those of each."""

    house: House
    bus: UnrulyBus
    vendor: Remote
    jobs: dict[Story, list[str]] = field(default_factory=dict)

    async def play(self) -> None:
        """Everything up to the last end.

        What ends a job before its picture is made happens while nothing is ordered from the vendor yet: later it would
        be a race that either side may win.
        """
        async with self.house.transaction(Service.BILLING_METER) as tx:
            await publish_prices(tx)
        await self.bus.settle(at_vendor=False)
        await self._ask()
        await self._grant()
        await self._think_again()
        await self.bus.settle(at_vendor=False, until=self._is_given_out)
        await self._cancel(Story.CANCELS_LATE)
        await self.bus.settle(at_vendor=False)
        await self.vendor.change(webhook_urls=[self.house.webhook_url])
        await self.vendor.fault("webhook_double", count=-1)
        await self.vendor.fault("engine_error", count=2, code="unknown_internal_error")  # may be tried again
        await self.bus.settle(at_vendor=True)

    def ordered(self, books: Books) -> set[Story]:
        """The stories in which something was ordered from the vendor."""
        at_vendor = {row["job_id"] for row in books.rows["renders"] if row["task_id"]}
        return {story for story, jobs in self.jobs.items() if at_vendor & set(jobs)}

    def ends(self, books: Books) -> dict[Story, Counter[End]]:
        """How the jobs of each story ended."""
        return {story: Counter(books.end_of(job_id) for job_id in jobs) for story, jobs in self.jobs.items()}

    async def _ask(self) -> None:
        person, blank = samples.person_jpeg(), samples.blank_jpeg()
        await asyncio.gather(
            self._tell(Story.HAPPY, Caller(SHOP, "ann"), person, times=2),
            self._tell(Story.HAPPY, Caller(SHOP, "zoe"), person, times=2),
            self._tell(Story.NOBODY, Caller(SHOP, "ann"), blank),
            self._tell(Story.NOT_AN_IMAGE, Caller(SHOP, "ann"), b"%PDF-1.7 no picture at all"),
            self._tell(Story.NEVER_SENT, Caller(SHOP, "ann"), None),
            self._tell(Story.CANCELS, Caller(SHOP, "ann"), person),
            self._tell(Story.CANCELS_LATE, Caller(SHOP, "ann"), person, times=6),
            self._tell(Story.WITHDRAWS, Caller(SHOP, "mia"), person, times=2),
            self._tell(Story.RETURNS, Caller(SHOP, "nic"), person),
            self._tell(Story.TOO_LATE, Caller(SHOP, "ann"), person, late=True),
            self._tell(Story.LAST_CREDITS, Caller(KIOSK, "ann"), person, times=2),
            self._tell(Story.NO_CREDITS, Caller(BROKE, "ann"), person),
        )

    async def _tell(
        self, story: Story, who: Caller, photo: bytes | None, *, times: int = 1, late: bool = False
    ) -> None:
        """Uploads the pictures once, and asks for so many try-ons."""
        async with self.house.transaction(Service.KIOSK_GATEWAY) as tx:
            await consents.give(tx, who, CONSENT_VERSION)
        inputs = [await self._upload(who, picture) for picture in (photo, samples.garment_png())]
        await self._post(story, [self._asked(who, inputs) for _ in range(times)], late=late)

    async def _upload(self, who: Caller, picture: bytes | None) -> str:
        upload_id = await self.house.uploads.announce(NewUpload(who.tenant, who.user, None))
        if picture is not None:
            await self.house.objects.put(upload_key(who.tenant, upload_id), picture, "image/png")
        return upload_id

    def _asked(self, who: Caller, inputs: Sequence[str]) -> JobRequest:
        roles = (Role.PERSON, Role.GARMENT)
        parts = tuple(Input(role=role, upload_id=upload) for role, upload in zip(roles, inputs, strict=True))
        return JobRequest(who.tenant, who.user, TryOn(), parts, None)

    async def _post(self, story: Story, asked: Iterable[JobRequest], *, late: bool = False) -> None:
        intake = self.house.late_intake if late else self.house.intake
        answers = await asyncio.gather(*(intake.submit(one) for one in asked))
        self.jobs.setdefault(story, []).extend(str(answer["jobId"]) for answer in answers)

    async def _grant(self) -> None:
        """After the requests: the gateway, which refuses whom it knows to be broke, has heard of no balance yet."""
        async with self.house.transaction(Service.BILLING_METER) as tx:
            for tenant, credits in CREDITS.items():
                receipt = Receipt("grant", f"receipt:{tenant}", tenant, wallet_of(tenant), credits, "chaos")
                await receive_credits(tx, receipt)

    async def _think_again(self) -> None:
        await self._cancel(Story.CANCELS)
        async with self.house.transaction(Service.KIOSK_GATEWAY) as tx:
            await consents.withdraw(tx, Caller(SHOP, "mia"))
            await consents.withdraw(tx, Caller(SHOP, "nic"))
        await self._tell(Story.RETURNS, Caller(SHOP, "nic"), samples.person_jpeg())

    async def _cancel(self, story: Story) -> None:
        async with self.house.transaction(Service.KIOSK_GATEWAY) as tx:
            for job_id in self.jobs[story]:
                await cancel(JobChangeNotifier(JobWatchers()), tx, Caller(SHOP, "ann"), job_id)

    async def _is_given_out(self) -> bool:
        given_out = await self.house.pools[Service.JOB_ORCHESTRATOR].fetchval(
            "SELECT bool_or(phase = 'dispatched') FROM jobs WHERE job_id = ANY($1)", self.jobs[Story.CANCELS_LATE]
        )
        return bool(given_out)
