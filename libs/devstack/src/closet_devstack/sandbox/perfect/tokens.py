"""Access tokens of the vendor's first API, which stand for a key for two hours."""

import base64
import binascii
import secrets
from functools import cached_property
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

TTL_S = 2 * 3600
_PREFIX = "at_"
_DRIFT_S = 300


class Tokens:
    """Whoever can encrypt for the vendor's public key, and names a client, is that client."""

    def __init__(self) -> None:
        self._granted: dict[str, tuple[str, float]] = {}

    @cached_property
    def _private_key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)

    @property
    def public_key(self) -> str:
        """In PEM."""
        return (
            self._private_key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    def proves(self, id_token: str, client_id: str, now: float) -> bool:
        """Whether it is `client_id=<id>&timestamp=<epoch ms>`, encrypted, of this client, and of now."""
        try:
            encrypted = base64.b64decode(id_token, validate=True)
            said = parse_qs(self._private_key.decrypt(encrypted, padding.PKCS1v15()).decode())
            at_s = int(said["timestamp"][0]) / 1000
        except (binascii.Error, ValueError, KeyError):
            return False
        return said.get("client_id") == [client_id] and abs(now - at_s) <= _DRIFT_S

    def grant(self, key: str, now: float) -> str:
        """A token that stands for this key."""
        token = _PREFIX + secrets.token_urlsafe(24)
        self._granted[token] = key, now + TTL_S
        return token

    def key_of(self, bearer: str, now: float) -> str:
        """The key that a valid token stands for; anything else stands for itself."""
        key, until = self._granted.get(bearer, (bearer, 0.0))
        return key if now < until else bearer


def looks_like_token(bearer: str) -> bool:
    return bearer.startswith(_PREFIX)
