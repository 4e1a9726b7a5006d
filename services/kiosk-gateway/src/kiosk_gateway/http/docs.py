"""The API's description, for programs and for people: Swagger UI from an installed package, nothing from elsewhere."""

from functools import cache
from html import escape
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from aiohttp import web
from closet_chassis.http import reply
from closet_chassis.problems import Problem

DESCRIPTION = web.AppKey("description", dict[str, Any])
_HEADERS = {"Cache-Control": "public, max-age=300"}
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_POLICY = {
    # Swagger UI styles its elements itself; scripts come from here alone, and requests that are tried go here alone.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
_PACKAGE = distribution("flask-swagger-ui")
_ASSETS = f"docs/{_PACKAGE.version}"
_START = """\
SwaggerUIBundle({
  url: new URL("/openapi.json", location).href,
  dom_id: "#description",
  deepLinking: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""


async def openapi(request: web.Request) -> web.StreamResponse:
    """GET /openapi.json."""
    return reply(request.app[DESCRIPTION], headers=_HEADERS)


async def page(request: web.Request) -> web.StreamResponse:
    """GET /docs."""
    title = escape(request.app[DESCRIPTION]["info"]["title"])
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="{_ASSETS}/swagger-ui.css">'
        "<noscript>This page needs JavaScript. The description by itself: "
        '<a href="openapi.json">openapi.json</a>.</noscript><div id="description"></div>'
        f'<script src="{_ASSETS}/swagger-ui-bundle.js"></script><script src="{_ASSETS}/start.js"></script></html>'
    )
    return web.Response(text=text, content_type="text/html", headers={**_HEADERS, **_POLICY})


def add_assets(app: web.Application) -> None:
    """Serve what the page is made of; their address changes with the package's version."""
    app.router.add_get(f"/{_ASSETS}/{{name}}", _asset)


async def _asset(request: web.Request) -> web.StreamResponse:
    kinds = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript", "start.js": "text/javascript"}
    name = request.match_info["name"]
    if name not in kinds:
        raise Problem(404, "not_found", "There is nothing at this address.")
    body = _START.encode() if name == "start.js" else _read(name)
    return web.Response(body=body, content_type=kinds[name], charset="utf-8", headers=_FOR_EVER)


@cache
def _read(name: str) -> bytes:
    return Path(str(_PACKAGE.locate_file(f"flask_swagger_ui/dist/{name}"))).read_bytes()
