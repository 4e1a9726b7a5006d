"""The vendor's templates in the database, as last listed."""

from collections.abc import Sequence

from closet_messaging.transaction import Connection

from perfect_adapter.vendor.answers import VendorTemplate


async def claim(conn: Connection, kind: str, lease_s: float) -> bool:
    """Claim a list that is due for `lease_s`, and return whether this replica has it."""
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
    """Count one more failure in a row, and return how many there are."""
    failures: int = await conn.fetchval(
        "UPDATE template_lists SET failures = failures + 1 WHERE kind = $1 RETURNING failures", kind
    )
    return failures


async def postpone(conn: Connection, kind: str, by_s: float) -> None:
    """Make the list due in so many seconds."""
    await conn.execute(
        "UPDATE template_lists SET due_at = now() + make_interval(secs => $2) WHERE kind = $1", kind, by_s
    )


async def replace(conn: Connection, kind: str, templates: Sequence[VendorTemplate], every_s: float) -> None:
    """Replace the list; it is due again after `every_s`."""
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
            for place, one in enumerate(templates)
        ],
    )


async def read_page(conn: Connection, kind: str, after: int, limit: int) -> list[tuple[int, VendorTemplate]] | None:
    """Return templates after that place; None if the list was never made."""
    listed = await conn.fetchval("SELECT listed_at FROM template_lists WHERE kind = $1", kind)
    if listed is None:
        return None
    rows = await conn.fetch(
        "SELECT * FROM templates WHERE kind = $1 AND place > $2 ORDER BY place LIMIT $3", kind, after, limit
    )
    return [
        (row["place"], VendorTemplate(row["template_id"], row["title"], row["category"], row["thumbnail_url"]))
        for row in rows
    ]
