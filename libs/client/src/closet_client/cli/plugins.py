"""Further commands, brought by whatever else is installed."""

from importlib.metadata import entry_points

import typer

from closet_client.cli.output import err

GROUP = "closet.commands"


def register(app: typer.Typer) -> None:
    """Let every entry point of the group add its commands. One that cannot be loaded costs nobody the others."""
    for plugin in entry_points(group=GROUP):
        try:
            add = plugin.load()
        except (ImportError, AttributeError) as error:
            err.print(f"{plugin.name}: {error}", markup=False)
        else:
            add(app)
