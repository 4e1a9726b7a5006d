"""What a service finds in its environment."""

import os
from pathlib import Path

from closet_chassis.keys import SigningKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_OURS = ("CLOSET_", "S3_", "PERFECT_", "STRIPE_")


def inherited() -> dict[str, str]:
    """Our own environment without what is meant for some service. OpenTelemetry's settings pass."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}


def token_key(file: Path) -> Path:
    """The gateway's signing key; made once, so that tokens outlive a restart."""
    if not file.exists():
        key = SigningKey.generate().private
        file.touch(mode=0o600)
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file
