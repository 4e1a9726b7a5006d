"""Chance that can be repeated."""

from random import Random


def dice(*of: object) -> Random:
    """Falls the same way for the same arguments, in every process."""
    return Random("/".join(str(part) for part in of))  # noqa: S311 - chance, not secrets
