"""The `closet` command for shops."""

import typer

from closet_client.cli import batch, jobs, kinds, plugins, templates, tryon

app = typer.Typer(
    name="closet",
    help="Virtual try-on: pictures of people wearing garments, and other pictures from photos or text.",
    epilog=(
        "Settings: CLOSET_URL (several, separated by commas, are replicas), CLOSET_API_KEY with CLOSET_USER, or "
        "CLOSET_TOKEN. Secrets are read from the environment only."
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
plugins.register(app)
