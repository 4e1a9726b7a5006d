"""The `closet` command: the shop's side over HTTP, the operator's side over NATS."""

import typer

from closet_client.cli import batch, jobs, kinds, operator, plugins, templates, tryon

app = typer.Typer(
    name="closet",
    help="Try it on: pictures of persons wearing garments, and all else that is made of photos or words.",
    epilog=(
        "Settings: CLOSET_URL (several, separated by commas, are replicas), CLOSET_API_KEY with CLOSET_USER, or "
        "CLOSET_TOKEN; CLOSET_NATS_URL for the operator. Secrets are read from the environment only."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
tryon.register(app)
kinds.register(app)
batch.register(app)
templates.register(app)
jobs.register(app)
operator.register(app)
plugins.register(app)
