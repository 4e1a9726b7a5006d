"""Ids as the vendor makes them."""

import base64
import secrets


def task_id() -> str:
    """64 characters that may stand in a path as they are, as in the vendor's examples."""
    return secrets.token_urlsafe(48)


def file_id() -> str:
    """64 characters of base64 that must be encoded to stand in a path: "/" and "+" are always in it."""
    letters = base64.b64encode(secrets.token_bytes(48)).decode()
    return f"{letters[:31]}/+{letters[33:]}"


def large_number() -> int:
    """Beyond what a JSON number can hold everywhere."""
    return secrets.randbits(62) | 1 << 60
