"""Putting the route table to work."""

from aiohttp import web

from kiosk_gateway.http.context import GATEWAY, Gateway
from kiosk_gateway.http.docs import DESCRIPTION, add_assets
from kiosk_gateway.http.openapi import document
from kiosk_gateway.http.route import serve
from kiosk_gateway.http.routes import ROUTES


def serve_all(app: web.Application, gateway: Gateway) -> None:
    """Serve every route of the table."""
    app[GATEWAY] = gateway
    app[DESCRIPTION] = document(ROUTES)
    for route in ROUTES:
        serve(app, route)
    add_assets(app)
