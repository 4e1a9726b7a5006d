"""The `closet-ops` command."""

import typer

from closet_operator import dead_letters, outbox, streams
from closet_operator.ledger import ledger
from closet_operator.reconcile import reconcile
from closet_operator.statement import statement

app = typer.Typer(
    name="closet-ops",
    help="Operate Closet: streams, outboxes, dead letters, ledgers and their reconciliation.",
    epilog=(
        "Settings: CLOSET_NATS_URL, with the operator's user and password; CLOSET_DATABASE_URL of one service for "
        "`outbox`. Exit codes: 0 done, 1 a problem or a difference, 2 wrong use."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(dead_letters.app)
app.add_typer(outbox.app)
app.command()(ledger)
app.command()(statement)
app.command()(reconcile)
app.command()(streams.provision)
app.command()(streams.permissions)
