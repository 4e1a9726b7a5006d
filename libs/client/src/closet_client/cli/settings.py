"""Where the gateway is and who asks: options, then the environment. Secrets only from the environment."""

import os
from typing import Annotated

import typer

from closet_client.client import ClosetClient
from closet_client.tokens import ApiKey, Session

Url = Annotated[str, typer.Option("--url", envvar="CLOSET_URL", help="The gateway; replicas separated by commas.")]
User = Annotated[str, typer.Option("--user", envvar="CLOSET_USER", help="The shopper's id at the tenant.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def client(url: str, user: str) -> ClosetClient:
    """A client for the user that is named, or for whom the token was minted.

    Raises:
        typer.BadParameter: something that is needed is not set.
    """
    if not url:
        raise typer.BadParameter("where is the gateway? Set CLOSET_URL or give --url")
    try:
        return ClosetClient([each.strip() for each in url.split(",") if each.strip()], _credentials(user))
    except ValueError as error:
        raise typer.BadParameter(f"CLOSET_URL: {error}") from error


def _credentials(user: str) -> ApiKey | Session:
    key, token = os.environ.get("CLOSET_API_KEY"), os.environ.get("CLOSET_TOKEN")
    if token:
        return Session(token)
    if not key:
        raise typer.BadParameter("who asks? Set CLOSET_API_KEY and CLOSET_USER, or CLOSET_TOKEN")
    if not user:
        raise typer.BadParameter("for whom? Set CLOSET_USER or give --user")
    return ApiKey(key, user)
