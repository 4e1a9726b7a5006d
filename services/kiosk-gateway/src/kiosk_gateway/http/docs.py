"""The API's description for programs, and for people in Swagger UI, which is served from an installed package."""

from functools import cache
from html import escape
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from aiohttp import web
from closet_chassis.http import reply
from closet_chassis.problems import Problem

_HEADERS = {"Cache-Control": "public, max-age=300"}
_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
_POLICY = {
    # Swagger UI sets inline styles; scripts and the requests that a reader tries are limited to this origin.
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


class DocsEndpoints:
    """Serves the description as JSON and as a page."""

    def __init__(self, description: dict[str, Any]) -> None:
        self._description = description

    async def openapi(self, _request: web.Request) -> web.StreamResponse:
        """GET /openapi.json."""
        return reply(self._description, headers=_HEADERS)

    async def page(self, _request: web.Request) -> web.StreamResponse:
        """GET /docs."""
        title = escape(self._description["info"]["title"])
        text = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
            '<meta name="viewport" content="width=device-width">'
            f'<link rel="stylesheet" href="{_ASSETS}/swagger-ui.css">'
            "<noscript>This page needs JavaScript. The plain description: "
            '<a href="openapi.json">openapi.json</a>.</noscript><div id="description"></div>'
            f'<script src="{_ASSETS}/swagger-ui-bundle.js"></script><script src="{_ASSETS}/start.js"></script></html>'
        )
        return web.Response(text=text, content_type="text/html", headers={**_HEADERS, **_POLICY})


def add_assets(app: web.Application) -> None:
    """Serve the page's scripts and styles, at a path that contains the package's version."""
    app.router.add_get(f"/{_ASSETS}/{{name}}", _asset)


async def _asset(request: web.Request) -> web.StreamResponse:
    kinds = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript", "start.js": "text/javascript"}
    name = request.match_info["name"]
    if name not in kinds:
        raise Problem(404, "not_found", "There is nothing at this address.")
    body = _START.encode() if name == "start.js" else _read(name)
    return web.Response(body=body, content_type=kinds[name], charset="utf-8", headers=_IMMUTABLE)


@cache
def _read(name: str) -> bytes:
    return Path(str(_PACKAGE.locate_file(f"flask_swagger_ui/dist/{name}"))).read_bytes()
