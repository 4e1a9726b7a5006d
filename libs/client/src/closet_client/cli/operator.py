"""The operator's commands, over NATS. The bus is loaded only when one of them runs."""

import typer

from closet_client.cli import dlq, ledger, reconcile, statement


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(dlq.app)
    app.command("ledger")(ledger.ledger)
    app.command("statement")(statement.statement)
    app.command("reconcile")(reconcile.reconcile)
