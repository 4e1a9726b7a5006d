"""Jobs that wait for uploads to be settled."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from closet_messaging.transaction import Connection

from upload_signer.domain import Owner


class Waiting(NamedTuple):
    """A job that waits for an upload. As the cause of an event it stands for the one that made it wait."""

    upload_id: str
    job_id: str
    owner: Owner
    id: str
    traceparent: str | None
    picture_ids: frozenset[str] = frozenset()


WAIT = """
    INSERT INTO waiting_jobs (upload_id, job_id, cause_id, traceparent, picture_ids) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING
"""


async def lock_waiting(conn: Connection, upload_ids: Iterable[str]) -> list[Waiting]:
    """The jobs that wait for these uploads, or for masks of them.

    Of two that settle a mask and its picture at once, the later one gets here when the earlier one is committed: what
    they settle has to be written before.
    """
    rows = await conn.fetch(
        """
        SELECT w.upload_id, w.job_id, w.cause_id, w.traceparent, w.picture_ids, u.tenant_id, u.user_id
        FROM waiting_jobs AS w JOIN uploads AS u USING (upload_id)
        WHERE w.upload_id = ANY($1) OR (w.picture_ids <> '{}' AND w.picture_ids && $1)
        ORDER BY w.upload_id, w.job_id FOR UPDATE OF w
        """,
        list(upload_ids),
    )
    return [
        Waiting(
            row["upload_id"],
            row["job_id"],
            Owner(row["tenant_id"], row["user_id"]),
            str(row["cause_id"]),
            row["traceparent"],
            frozenset(row["picture_ids"]),
        )
        for row in rows
    ]


async def stop_waiting(conn: Connection, waiting: Sequence[Waiting]) -> None:
    """These have been told."""
    await conn.execute(
        """
        DELETE FROM waiting_jobs AS w USING unnest($1::text[], $2::text[]) AS t (upload_id, job_id)
        WHERE w.upload_id = t.upload_id AND w.job_id = t.job_id
        """,
        [each.upload_id for each in waiting],
        [each.job_id for each in waiting],
    )
