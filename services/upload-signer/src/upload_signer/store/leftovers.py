"""Bytes as clients sent them that may still be in storage."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from closet_messaging.transaction import Connection


class PutUrl(NamedTuple):
    """A URL that was signed for an upload of so many bytes."""

    upload_id: str
    tenant_id: str
    size_bytes: int


async def raw_left(conn: Connection, settled_before_s: float, limit: int) -> list[tuple[str, str]]:
    """Tenant and id of uploads that were settled so many seconds ago and whose raw bytes may still be there."""
    rows = await conn.fetch(
        """
        SELECT tenant_id, upload_id FROM uploads
        WHERE state <> 'unchecked' AND raw_left AND settled_at < now() - make_interval(secs => $1)
        ORDER BY settled_at LIMIT $2
        """,
        settled_before_s,
        limit,
    )
    return [(row["tenant_id"], row["upload_id"]) for row in rows]


async def raw_gone(conn: Connection, upload_ids: Sequence[str]) -> None:
    """The raw bytes of these uploads are deleted."""
    await conn.execute("UPDATE uploads SET raw_left = false WHERE upload_id = ANY($1)", upload_ids)


async def remember_put_urls(conn: Connection, urls: Sequence[PutUrl], lives_s: float, kept_s: float) -> None:
    """These live so many seconds; what is put there is removed after `kept_s`, unless a job names it before."""
    each = {url.upload_id: url for url in urls}.values()
    await conn.execute(
        """
        INSERT INTO put_urls AS known (upload_id, tenant_id, size_bytes, expires_at, due_at)
        SELECT upload_id, tenant_id, size_bytes, now() + make_interval(secs => $4), now() + make_interval(secs => $5)
        FROM unnest($1::text[], $2::text[], $3::bigint[]) AS t (upload_id, tenant_id, size_bytes) ORDER BY upload_id
        ON CONFLICT (upload_id) DO UPDATE SET
            size_bytes = excluded.size_bytes,
            expires_at = greatest(known.expires_at, excluded.expires_at),
            due_at = greatest(known.due_at, excluded.due_at)
        """,
        [url.upload_id for url in each],
        [url.tenant_id for url in each],
        [url.size_bytes for url in each],
        lives_s,
        kept_s,
    )


async def end_put_urls(conn: Connection, upload_ids: Iterable[str], late_s: float) -> None:
    """These uploads are settled: what is put at their URLs from now on is removed so long after the URLs end."""
    await conn.execute(
        """
        UPDATE put_urls SET due_at = least(due_at, greatest(now(), expires_at) + make_interval(secs => $2))
        WHERE upload_id = ANY($1)
        """,
        list(upload_ids),
        late_s,
    )


async def due_put_urls(conn: Connection, limit: int) -> list[tuple[str, str]]:
    """Tenant and id of uploads of which nothing may be left, unless they are being checked."""
    rows = await conn.fetch(
        """
        SELECT p.tenant_id, p.upload_id FROM put_urls AS p LEFT JOIN uploads AS u USING (upload_id)
        WHERE p.due_at <= now() AND u.state IS DISTINCT FROM 'unchecked' ORDER BY p.due_at LIMIT $1
        """,
        limit,
    )
    return [(row["tenant_id"], row["upload_id"]) for row in rows]


async def forget_put_urls(conn: Connection, upload_ids: Sequence[str]) -> None:
    """Nothing is left there; one that was signed anew meanwhile stays known."""
    await conn.execute("DELETE FROM put_urls WHERE upload_id = ANY($1) AND due_at <= now()", upload_ids)
