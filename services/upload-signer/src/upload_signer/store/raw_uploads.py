"""Raw uploads, the bytes as clients sent them, that may still be in storage."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from closet_messaging.transaction import Connection


class PutUrl(NamedTuple):
    """A URL that was signed for an upload of `size_bytes`."""

    upload_id: str
    tenant_id: str
    size_bytes: int


async def list_undeleted_raw(conn: Connection, settled_before_s: float, limit: int) -> list[tuple[str, str]]:
    """Return tenant and id of uploads settled at least so many seconds ago whose raw bytes may still be in storage."""
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


async def mark_raw_deleted(conn: Connection, upload_ids: Sequence[str]) -> None:
    """Record that the raw bytes of these uploads are deleted."""
    await conn.execute("UPDATE uploads SET raw_left = false WHERE upload_id = ANY($1)", upload_ids)


async def upsert_put_urls(conn: Connection, urls: Sequence[PutUrl], lives_s: float, retention_s: float) -> None:
    """Record URLs that live `lives_s`; uploads to them are deleted after `retention_s`, unless a job names them."""
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
        retention_s,
    )


async def schedule_put_url_cleanup(conn: Connection, upload_ids: Iterable[str], grace_s: float) -> None:
    """Have uploads to the URLs of these settled uploads deleted `grace_s` seconds after the URLs expire."""
    await conn.execute(
        """
        UPDATE put_urls SET due_at = least(due_at, greatest(now(), expires_at) + make_interval(secs => $2))
        WHERE upload_id = ANY($1)
        """,
        list(upload_ids),
        grace_s,
    )


async def list_due_put_urls(conn: Connection, limit: int) -> list[tuple[str, str]]:
    """Return tenant and id of uploads whose raw bytes are due for deletion, except those being checked."""
    rows = await conn.fetch(
        """
        SELECT p.tenant_id, p.upload_id FROM put_urls AS p LEFT JOIN uploads AS u USING (upload_id)
        WHERE p.due_at <= now() AND u.state IS DISTINCT FROM 'unchecked' ORDER BY p.due_at LIMIT $1
        """,
        limit,
    )
    return [(row["tenant_id"], row["upload_id"]) for row in rows]


async def delete_put_urls(conn: Connection, upload_ids: Sequence[str]) -> None:
    """Delete the records of URLs whose uploads are deleted, except URLs that were signed again meanwhile."""
    await conn.execute("DELETE FROM put_urls WHERE upload_id = ANY($1) AND due_at <= now()", upload_ids)
