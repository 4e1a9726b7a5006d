"""The command as its user has it: a process of its own."""

from closet_devstack.commands import Ran, run_command

__all__ = ["Ran", "closet_command"]


async def closet_command(*arguments: str, **settings: str) -> Ran:
    """Run `closet` with nothing set but `settings`, where nobody can be asked anything."""
    return await run_command("closet_client", *arguments, **settings)
