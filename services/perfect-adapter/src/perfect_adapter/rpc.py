"""Answers to requests: the list of templates."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from closet_chassis.postgres import Pool
from closet_contracts.rpc import ListTemplates, Request, Template, TemplatePage
from closet_messaging.rpc import RpcFailed, RpcHandler

from perfect_adapter.templates import store


async def list_templates(pool: Pool, request: ListTemplates) -> TemplatePage:
    """Return a page of the list as it was last made.

    Raises:
        RpcFailed: `templates_unavailable` until it was made once; `invalid_cursor`.
    """
    after = _parse_cursor(request.cursor)
    async with pool.acquire() as conn:
        found = await store.read_page(conn, request.kind, after, request.limit + 1)
    if found is None:
        raise RpcFailed("templates_unavailable", "The templates are not known yet. Please try again in a minute.")
    shown = found[: request.limit]
    return TemplatePage(
        templates=tuple(
            Template(
                template_id=one.template_id,
                title=one.title,
                category=one.category,
                thumbnail_url=one.thumbnail_url,
            )
            for _, one in shown
        ),
        next_cursor=str(shown[-1][0]) if len(found) > len(shown) else None,
    )


def requests(pool: Pool) -> Mapping[type[Request[Any]], RpcHandler]:
    """Return the handler of every request that this service answers."""
    return {ListTemplates: partial(list_templates, pool)}


def _parse_cursor(cursor: str | None) -> int:
    if cursor is None:
        return -1
    if not cursor.isdecimal():
        raise RpcFailed("invalid_cursor", "This cursor was not issued here.")
    return int(cursor)
