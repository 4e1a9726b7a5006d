"""The vendor's templates, as last listed."""

from collections.abc import Sequence

from closet_messaging.transaction import Connection

from perfect_adapter.domain.account import Style


async def claim(conn: Connection, kind: str, lease_s: float) -> bool:
    """Whether the list is to be made anew now, by this replica: if so the others leave it alone for `lease_s`."""
    row = await conn.fetchrow(
        """
        INSERT INTO template_lists AS t (kind, due_at) VALUES ($1, now() + make_interval(secs => $2))
        ON CONFLICT (kind) DO UPDATE SET due_at = excluded.due_at WHERE t.due_at <= now() RETURNING kind
        """,
        kind,
        lease_s,
    )
    return row is not None


async def count_failure(conn: Connection, kind: str) -> int:
    """The vendor gave no list once more; how often in a row is that?"""
    failures: int = await conn.fetchval(
        "UPDATE template_lists SET failures = failures + 1 WHERE kind = $1 RETURNING failures", kind
    )
    return failures


async def postpone(conn: Connection, kind: str, by_s: float) -> None:
    await conn.execute(
        "UPDATE template_lists SET due_at = now() + make_interval(secs => $2) WHERE kind = $1", kind, by_s
    )


async def replace(conn: Connection, kind: str, styles: Sequence[Style], every_s: float) -> None:
    """This is the list now; it is due again after `every_s`."""
    await conn.execute(
        """
        UPDATE template_lists SET listed_at = now(), due_at = now() + make_interval(secs => $2), failures = 0
        WHERE kind = $1
        """,
        kind,
        every_s,
    )
    await conn.execute("DELETE FROM templates WHERE kind = $1", kind)
    await conn.executemany(
        """
        INSERT INTO templates (kind, place, template_id, title, category, thumbnail_url) VALUES ($1, $2, $3, $4, $5, $6)
        """,
        [
            (kind, place, one.template_id, one.title, one.category, one.thumbnail_url)
            for place, one in enumerate(styles)
        ],
    )


async def page(conn: Connection, kind: str, after: int, limit: int) -> list[tuple[int, Style]] | None:
    """Templates after that place; None if the list was never made."""
    listed = await conn.fetchval("SELECT listed_at FROM template_lists WHERE kind = $1", kind)
    if listed is None:
        return None
    rows = await conn.fetch(
        "SELECT * FROM templates WHERE kind = $1 AND place > $2 ORDER BY place LIMIT $3", kind, after, limit
    )
    return [
        (row["place"], Style(row["template_id"], row["title"], row["category"], row["thumbnail_url"])) for row in rows
    ]
