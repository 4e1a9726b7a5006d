"""Answers to questions: which templates are there?"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from closet_chassis.postgres import Pool
from closet_contracts.rpc import ListTemplates, Request, Template, TemplatePage
from closet_messaging.rpc import RpcFailed, RpcHandler

from perfect_adapter.store import templates


async def list_templates(pool: Pool, request: ListTemplates) -> TemplatePage:
    """A page of the list as it was last made.

    Raises:
        RpcFailed: `templates_unavailable`, as long as it was never made; `invalid_cursor`.
    """
    after = _place(request.cursor)
    async with pool.acquire() as conn:
        found = await templates.page(conn, request.kind, after, request.limit + 1)
    if found is None:
        raise RpcFailed("templates_unavailable", "The templates are not known yet. Please try again in a minute.")
    shown = found[: request.limit]
    return TemplatePage(
        templates=tuple(
            Template(
                template_id=style.template_id,
                title=style.title,
                category=style.category,
                thumbnail_url=style.thumbnail_url,
            )
            for _, style in shown
        ),
        next_cursor=str(shown[-1][0]) if len(found) > len(shown) else None,
    )


def requests(pool: Pool) -> Mapping[type[Request[Any]], RpcHandler]:
    """Every request that this service answers."""
    return {ListTemplates: partial(list_templates, pool)}


def _place(cursor: str | None) -> int:
    if cursor is None:
        return -1
    if not cursor.isdecimal():
        raise RpcFailed("invalid_cursor", "This cursor is not one that was given out here.")
    return int(cursor)
