"""The API's description, for programs and for people. Without scripts, so that any policy lets it through."""

from html import escape
from typing import Any

from aiohttp import web
from closet_chassis.http import reply

DESCRIPTION = web.AppKey("description", dict[str, Any])
_HEADERS = {"Cache-Control": "public, max-age=300"}
_POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_STYLE = """
    body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
    code { background: #eee; padding: 0 .2em } dt { margin-top: .5em } h2 { margin-top: 1.5em; font-size: 1.1em }
"""


async def openapi(request: web.Request) -> web.StreamResponse:
    """GET /openapi.json."""
    return reply(request.app[DESCRIPTION], headers=_HEADERS)


async def page(request: web.Request) -> web.StreamResponse:
    """GET /docs."""
    description = request.app[DESCRIPTION]
    sections = [
        _section(method, path, operation)
        for path, item in description["paths"].items()
        for method, operation in item.items()
    ]
    info = description["info"]
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f"<style>{_STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"<p>{escape(info['description'])} The whole of it: <a href='openapi.json'>openapi.json</a>.</p>"
        f"{''.join(sections)}</html>"
    )
    return web.Response(text=text, content_type="text/html", headers={**_HEADERS, **_POLICY})


def _section(method: str, path: str, operation: dict[str, Any]) -> str:
    answers = "".join(
        f"<dt><code>{status}</code></dt><dd>{_lines(answer['description'])}</dd>"
        for status, answer in operation["responses"].items()
    )
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])}</p><dl>{answers}</dl>"
    )


def _lines(text: str) -> str:
    return "<br>".join(escape(line.removeprefix("- ").replace("`", "")) for line in text.splitlines())
