"""Tokens: JWTs signed with Ed25519. One algorithm, a key id, a short life."""

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from closet_chassis.keys import SigningKey, load_keys, public_keys

__all__ = ["Claims", "SigningKey", "TokenInvalid", "TokenIssuer", "TokenVerifier", "load_keys"]

ALGORITHM = "EdDSA"
REQUIRED = ("exp", "iat", "aud", "iss", "sub", "jti")
MAX_TOKEN = 8192
CACHE_SIZE = 10_000
CLOCK_SKEW_S = 30  # how far another machine's clock may be ahead of ours
_OWN_CLAIMS = frozenset((*REQUIRED, "tid", "scope"))


class TokenInvalid(Exception):
    """The token does not let its bearer in. The text says why, for a log rather than for the bearer."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Who the bearer is. Times are seconds since the epoch."""

    subject: str
    tenant: str
    scopes: frozenset[str]
    audience: str
    issuer: str
    token_id: str
    issued_at: int
    expires_at: int
    extra: Mapping[str, Any] = field(default_factory=dict)


class TokenIssuer:
    """Signs tokens with the first of its keys."""

    def __init__(self, keys: Sequence[SigningKey], issuer: str) -> None:
        if not keys:
            raise ValueError("a token issuer needs a key")
        self._keys = tuple(keys)
        self._issuer = issuer

    def issue(  # noqa: PLR0913, PLR0917 a token says this much
        self,
        subject: str,
        tenant: str,
        scopes: Iterable[str],
        ttl: int,
        audience: str,
        extra: Mapping[str, Any] | None = None,
    ) -> str:
        """A token for `subject` of `tenant` that lives `ttl` seconds; `extra` claims go beside the standard ones."""
        now = int(time.time())
        claims = {
            **(extra or {}),
            "iss": self._issuer,
            "sub": subject,
            "aud": audience,
            "iat": now,
            "exp": now + ttl,
            "jti": str(uuid4()),
            "tid": tenant,
            "scope": " ".join(sorted(scopes)),
        }
        key = self._keys[0]
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})

    def jwks(self) -> dict[str, Any]:
        """The public keys, for whoever verifies (RFC 7517)."""
        return {"keys": [key.public_jwk() for key in self._keys]}


class TokenVerifier:
    """Checks tokens; remembers those it has checked until they expire."""

    def __init__(
        self,
        keys: Mapping[str, Any] | Sequence[SigningKey],
        issuer: str,
        audience: str,
        *,
        cache_size: int = CACHE_SIZE,
    ) -> None:
        self._keys: dict[str, Ed25519PublicKey] = public_keys(keys)
        self._issuer = issuer
        self._audience = audience
        self._cache: OrderedDict[bytes, Claims] = OrderedDict()
        self._cache_size = cache_size

    def replace_keys(self, keys: Mapping[str, Any] | Sequence[SigningKey]) -> None:
        """Trust these keys only; tokens of others stop working at once."""
        self._keys = public_keys(keys)
        self._cache.clear()

    def verify(self, token: str) -> Claims:
        """Who bears this token?

        Raises:
            TokenInvalid: it is malformed, expired, tampered with, or not for us.
        """
        if len(token) > MAX_TOKEN or not token.isascii():
            raise TokenInvalid("too long, or not text")
        digest = sha256(token.encode()).digest()
        if (claims := self._remembered(digest)) is None:
            claims = self._check(token)
            self._remember(digest, claims)
        return claims

    def _remembered(self, digest: bytes) -> Claims | None:
        claims = self._cache.get(digest)
        if claims is None:
            return None
        if claims.expires_at <= time.time():
            del self._cache[digest]
            raise TokenInvalid("expired")
        self._cache.move_to_end(digest)
        return claims

    def _remember(self, digest: bytes, claims: Claims) -> None:
        self._cache[digest] = claims
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)

    def _check(self, token: str) -> Claims:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._keys.get(kid) if isinstance(kid, str) else None
            if key is None:
                raise TokenInvalid("unknown key")
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options={"require": list(REQUIRED), "verify_iat": False, "strict_aud": True},
            )
        except jwt.ExpiredSignatureError:
            raise TokenInvalid("expired") from None
        except (jwt.InvalidTokenError, ValueError, TypeError) as error:
            raise TokenInvalid(type(error).__name__) from None
        return _claims_of(claims)


def _claims_of(claims: Mapping[str, Any]) -> Claims:
    issued_at, tenant, scope = claims["iat"], claims.get("tid"), claims.get("scope", "")
    if not isinstance(issued_at, int) or issued_at > time.time() + CLOCK_SKEW_S:
        raise TokenInvalid("issued in the future")
    if not isinstance(tenant, str) or not tenant or not isinstance(scope, str):
        raise TokenInvalid("no tenant or scope")
    return Claims(
        subject=claims["sub"],
        tenant=tenant,
        scopes=frozenset(scope.split()),
        audience=claims["aud"],
        issuer=claims["iss"],
        token_id=claims["jti"],
        issued_at=issued_at,
        expires_at=int(claims["exp"]),
        extra={name: value for name, value in claims.items() if name not in _OWN_CLAIMS},
    )
