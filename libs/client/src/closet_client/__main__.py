"""`python -m closet_client` is the `closet` command."""

from closet_client.cli import app

if __name__ == "__main__":
    app(prog_name="closet")
