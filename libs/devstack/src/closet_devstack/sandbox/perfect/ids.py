"""Ids as the vendor makes them."""

import base64
import secrets


def opaque_id() -> str:
    """Base64 that must be encoded to stand in a path: "/" and "+" are always in it."""
    return f"{base64.b64encode(secrets.token_bytes(18)).decode()}/+{secrets.token_hex(4)}=="


def large_number() -> int:
    """Beyond what a JSON number can hold everywhere."""
    return secrets.randbits(62) | 1 << 60
