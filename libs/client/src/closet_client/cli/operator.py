"""`closet dlq` and `closet ledger`: the operator's side, over NATS. The bus is loaded only when one of them runs."""

import typer

from closet_client.cli import dlq, ledger


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(dlq.app)
    app.command("ledger")(ledger.ledger)
