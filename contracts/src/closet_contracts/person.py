"""A shopper's consent. Owned by kiosk-gateway."""

from datetime import datetime
from typing import ClassVar

from closet_contracts.envelope import EventData
from closet_contracts.ids import UserId
from closet_contracts.text import Storable


class _OfPerson(EventData):
    user_id: UserId

    def aggregate(self) -> str:
        return f"persons/{self.user_id}"


class PersonConsentGiven(_OfPerson):
    """The person allows their photo to be processed under this version of the terms."""

    TYPE: ClassVar[str] = "closet.person.consent_given.v1"
    consent_version: Storable
    given_at: datetime


class PersonConsentWithdrawn(_OfPerson):
    """The person no longer allows it; work that has not reached the vendor stops."""

    TYPE: ClassVar[str] = "closet.person.consent_withdrawn.v1"
    withdrawn_at: datetime
