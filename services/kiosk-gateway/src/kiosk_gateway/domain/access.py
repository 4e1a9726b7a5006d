"""Callers, the scopes of their tokens, and how long tokens live."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """A permission that an access token holds."""

    GENERATE = "generate"
    GENERATE_LIVE = "generate:live"  # for kiosks, where the person stands and waits: served before everything else
    JOBS_READ = "jobs:read"
    CONSENT = "consent"
    BALANCE_READ = "balance:read"
    STATEMENT_READ = "statement:read"  # for the tenant's finance department, not for its shoppers


DEFAULT_SCOPES = (Scope.GENERATE, Scope.JOBS_READ, Scope.CONSENT, Scope.BALANCE_READ)
AUDIENCE = "closet-api"
ACCESS_TTL_S = 15 * 60
REFRESH_TTL_S = 7 * 24 * 3600
REFRESH_GRACE_S = 30  # a used refresh token returns the same successor this long: two tabs at once, a lost answer
SESSION_CLAIM = "sid"
KEY_CLAIM = "key_id"  # the id of the API key that started the session


class RevokedKind(StrEnum):
    """A kind of thing that can be revoked."""

    TENANT = "tenant"
    API_KEY = "api_key"
    SESSION = "session"


Revoked = tuple[RevokedKind, str]


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant's user, as named by an access token. `is_live`: the person waits at a kiosk."""

    tenant: str
    user: str
    is_live: bool = False


def account_of(tenant: str) -> str:
    """Return the credit account that pays for a tenant's jobs."""
    return f"tenant:{tenant}"
