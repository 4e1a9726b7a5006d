"""Who speaks, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What an access token allows."""

    GENERATE = "generate"
    GENERATE_LIVE = "generate:live"  # someone stands at a kiosk and waits: served before all others
    JOBS_READ = "jobs:read"
    CONSENT = "consent"
    BALANCE_READ = "balance:read"
    STATEMENT_READ = "statement:read"  # what a tenant spends is for its finance, not for its shoppers


DEFAULT_SCOPES = (Scope.GENERATE, Scope.JOBS_READ, Scope.CONSENT, Scope.BALANCE_READ)
AUDIENCE = "closet-api"
ACCESS_TTL_S = 15 * 60
REFRESH_TTL_S = 7 * 24 * 3600
REFRESH_GRACE_S = 30  # two tabs at once, or a lost answer: for so long a used refresh token gives the same successor
SESSION_CLAIM = "sid"
KEY_CLAIM = "key_id"  # the id of the API key that began the session


class RevokedKind(StrEnum):
    """What can be revoked."""

    TENANT = "tenant"
    API_KEY = "api_key"
    SESSION = "session"


Revoked = tuple[RevokedKind, str]


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant's user, as an access token names them. `live` if they wait for their pictures at a kiosk."""

    tenant: str
    user: str
    live: bool = False


def account_of(tenant: str) -> str:
    """The credit account that a tenant's jobs are paid from."""
    return f"tenant:{tenant}"
