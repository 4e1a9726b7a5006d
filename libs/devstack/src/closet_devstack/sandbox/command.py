"""`closet sandbox`: loaded with every `closet` command, so it loads nothing but its options."""

import typer

from closet_devstack.sandbox.perfect.command import perfect

app = typer.Typer(name="sandbox", help="Vendors of our own, to develop and test against.", no_args_is_help=True)
app.command()(perfect)


@app.callback()
def _sandbox() -> None:
    """Keeps `perfect` a command of its own while it is the only one."""


def register(closet: typer.Typer) -> None:
    """Add it to the `closet` command."""
    closet.add_typer(app)
