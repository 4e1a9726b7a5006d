"""Ed25519 keys for tokens, from PEM or JWK."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_PEM = re.compile(rb"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----", re.DOTALL)


class KeyInvalid(ValueError):
    """Not an Ed25519 key that we can use. The text holds nothing of the key."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the id under which its public half is known."""

    private: Ed25519PrivateKey
    kid: str

    @classmethod
    def of(cls, private: Ed25519PrivateKey, kid: str | None = None) -> "SigningKey":
        """With the key's own thumbprint as its id, unless one is given."""
        return cls(private, kid or thumbprint(private.public_key()))

    @classmethod
    def generate(cls) -> "SigningKey":
        """A fresh key."""
        return cls.of(Ed25519PrivateKey.generate())

    def public_jwk(self) -> dict[str, str]:
        """The public half (RFC 8037)."""
        public = {"kty": "OKP", "crv": "Ed25519", "x": _x(self.private.public_key())}
        return {**public, "kid": self.kid, "alg": "EdDSA", "use": "sig"}


def load_keys(path: str | Path) -> list[SigningKey]:
    """The private keys in a file: PEM (PKCS #8) blocks one after another, a JWK, or a JWK set.

    The first signs, all verify. To rotate: add the new key at the end, restart; when all verifiers know it, move it
    to the front; when the last token of the old one has expired, remove that.

    Raises:
        KeyInvalid: there is no key in it, or one of another kind.
    """
    try:
        keys = _parse(Path(path).read_bytes())
    except KeyInvalid:
        raise
    except ValueError:
        raise KeyInvalid("the file cannot be read as PEM or JWK") from None
    if not keys:
        raise KeyInvalid("the file holds no private key")
    return keys


def public_keys(keys: Mapping[str, Any] | Sequence[SigningKey]) -> dict[str, Ed25519PublicKey]:
    """Public keys by id, from a JWK set or from signing keys. Keys of other kinds in a set are left out."""
    if isinstance(keys, Mapping):
        usable = [jwk for jwk in keys["keys"] if jwk.get("crv") == "Ed25519" and jwk.get("kid")]
        return {jwk["kid"]: Ed25519PublicKey.from_public_bytes(_decode(jwk["x"])) for jwk in usable}
    return {key.kid: key.private.public_key() for key in keys}


def thumbprint(public: Ed25519PublicKey) -> str:
    """RFC 7638."""
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{_x(public)}"}}'
    return _encode(sha256(canonical.encode()).digest())


def _parse(content: bytes) -> list[SigningKey]:
    if not content.lstrip().startswith(b"{"):
        return [_from_pem(block) for block in _PEM.findall(content)]
    document = orjson.loads(content)
    return [_from_jwk(jwk) for jwk in document.get("keys", [document])]


def _from_pem(block: bytes) -> SigningKey:
    private = load_pem_private_key(block, password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyInvalid("a key in the file is not an Ed25519 key")
    return SigningKey.of(private)


def _from_jwk(jwk: Mapping[str, Any]) -> SigningKey:
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or not isinstance(jwk.get("d"), str):
        raise KeyInvalid("a key in the file is not a private Ed25519 key")
    return SigningKey.of(Ed25519PrivateKey.from_private_bytes(_decode(jwk["d"])), jwk.get("kid"))


def _x(public: Ed25519PublicKey) -> str:
    return _encode(public.public_bytes_raw())


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
