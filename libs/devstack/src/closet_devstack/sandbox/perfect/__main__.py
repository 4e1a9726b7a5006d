"""`python -m closet_devstack.sandbox.perfect --port 8701`: serve until told to stop."""

import typer

from closet_devstack.sandbox.perfect.command import perfect

if __name__ == "__main__":
    typer.run(perfect)
