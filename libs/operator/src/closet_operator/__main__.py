"""`python -m closet_operator` is the `closet-ops` command."""

from closet_operator.app import app

if __name__ == "__main__":
    app(prog_name="closet-ops")
