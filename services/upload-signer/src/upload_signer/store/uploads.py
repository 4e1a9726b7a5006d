"""What is known of uploads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from closet_contracts.upload import Asset
from closet_messaging.transaction import Connection

from upload_signer.domain import Owner, Refusal, State


@dataclass(frozen=True, slots=True)
class Upload:
    """What is known of an upload."""

    upload_id: str
    owner: Owner
    state: State
    asset: Asset | None = None
    refusal: Refusal | None = None


async def find(conn: Connection, upload_ids: Sequence[str]) -> dict[str, Upload]:
    """Those of the uploads that are known, by id."""
    rows = await conn.fetch(
        "SELECT upload_id, tenant_id, user_id, state, asset, code, message FROM uploads WHERE upload_id = ANY($1)",
        upload_ids,
    )
    return {row["upload_id"]: _upload(row) for row in rows}


async def want(conn: Connection, wanted: Mapping[str, bool], owner: Owner, until: datetime) -> dict[str, Upload]:
    """The uploads, by id: those that are new now belong to `owner`. They are locked: none is settled before the commit.

    `wanted` says of each whether it is to be a mask. Locks are taken in order of id, as `settle` takes them.
    """
    rows = await conn.fetch(
        """
        INSERT INTO uploads (upload_id, is_mask, tenant_id, user_id, wanted_until, size_bytes)
        SELECT upload_id, is_mask, $3, $4, $5, coalesce(size_bytes, 0)
        FROM unnest($1::text[], $2::bool[]) AS t (upload_id, is_mask) LEFT JOIN put_urls USING (upload_id)
        ORDER BY upload_id
        ON CONFLICT (upload_id) DO UPDATE SET
            wanted_until = greatest(uploads.wanted_until, excluded.wanted_until),
            is_mask = uploads.is_mask OR excluded.is_mask
        RETURNING upload_id, tenant_id, user_id, state, asset, code, message
        """,
        list(wanted),
        list(wanted.values()),
        owner.tenant_id,
        owner.user_id,
        until,
    )
    return {row["upload_id"]: _upload(row) for row in rows}


async def mark_ready(conn: Connection, assets: Mapping[str, Asset]) -> None:
    await conn.executemany(
        """
        UPDATE uploads SET state = 'ready', asset = $2, settled_at = now(), lease = NULL WHERE upload_id = $1
        """,
        [(upload_id, asset.model_dump(mode="json")) for upload_id, asset in assets.items()],
    )


async def mark_rejected(conn: Connection, refusals: Mapping[str, Refusal]) -> None:
    await conn.executemany(
        """
        UPDATE uploads SET state = 'rejected', code = $2, message = $3, settled_at = now(), lease = NULL
        WHERE upload_id = $1
        """,
        [(upload_id, refusal.code, refusal.message) for upload_id, refusal in refusals.items()],
    )


async def forget(conn: Connection, upload_ids: Sequence[str]) -> None:
    """Know nothing of these uploads, as before the first job that wanted them."""
    await conn.execute("DELETE FROM uploads WHERE upload_id = ANY($1)", upload_ids)


def _upload(row: asyncpg.Record) -> Upload:
    return Upload(
        upload_id=row["upload_id"],
        owner=Owner(row["tenant_id"], row["user_id"]),
        state=State(row["state"]),
        asset=Asset.model_validate(row["asset"]) if row["asset"] else None,
        refusal=Refusal(row["code"], row["message"]) if row["code"] else None,
    )
