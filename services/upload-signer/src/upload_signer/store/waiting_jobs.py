"""Jobs that wait until uploads are settled."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from closet_messaging.transaction import Connection

from upload_signer.domain import Owner


class WaitingJob(NamedTuple):
    """A job that waits for an upload.

    `id` and `traceparent` are those of the event that named the upload, so that this is the cause of the answer.
    `picture_ids`: the pictures that have to be settled too, if the job uses the upload as a mask.
    """

    upload_id: str
    job_id: str
    owner: Owner
    id: str
    traceparent: str | None
    picture_ids: frozenset[str] = frozenset()


ADD_WAITING_JOB = """
    INSERT INTO waiting_jobs (upload_id, job_id, cause_id, traceparent, picture_ids) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING
"""


async def lock_waiting_jobs(conn: Connection, upload_ids: Iterable[str]) -> list[WaitingJob]:
    """Lock and return the jobs that wait for these uploads, or for a mask of one of them.

    Write the uploads' results before this call: if two transactions settle a mask and its picture at once, the second
    one waits here for the first to commit and then reads its result.
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
        WaitingJob(
            row["upload_id"],
            row["job_id"],
            Owner(row["tenant_id"], row["user_id"]),
            str(row["cause_id"]),
            row["traceparent"],
            frozenset(row["picture_ids"]),
        )
        for row in rows
    ]


async def delete_waiting_jobs(conn: Connection, waiting: Sequence[WaitingJob]) -> None:
    """Delete the waits of jobs that have been answered."""
    await conn.execute(
        """
        DELETE FROM waiting_jobs AS w USING unnest($1::text[], $2::text[]) AS t (upload_id, job_id)
        WHERE w.upload_id = t.upload_id AND w.job_id = t.job_id
        """,
        [each.upload_id for each in waiting],
        [each.job_id for each in waiting],
    )
