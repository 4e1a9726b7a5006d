"""The classic profile: one call makes the picture while its caller waits."""

from closet_devstack.sandbox.perfect.classic.profile import Classic

__all__ = ["Classic"]
