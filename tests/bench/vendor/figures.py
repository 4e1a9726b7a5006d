"""Calls that a job costs, what one key can do in an hour, and whether a flood is fair: on replicas of the adapter."""

from collections import Counter
from statistics import median
from typing import Any

from closet_contracts.generation import Priority

from tests.bench.vendor.rig import running

SPEED = 30
"""Seconds of the vendor's clock to one of ours: an hour in two minutes."""
REPLICAS = 3
WINDOW_S = 300
TASK_S = 20
_QUOTA = {
    "PERFECT_QUOTA_CALLS": "250",
    "PERFECT_QUOTA_WINDOW_S": str(WINDOW_S / SPEED),
    "PERFECT_PACE_PER_S": str(5 * SPEED),
    "PERFECT_POLL_AFTER_S": str(30 / SPEED),
    "PERFECT_AGED_S": "3600",
}
# At that speed drawing pictures would be what is measured; and a second of the vendor's is 33 ms here, within which no
# process on a busy machine can keep to five calls: what is measured is the quota of 300 s.
_SANDBOX = (
    *("--latency-ms", str(TASK_S * 1000), "--speed", str(SPEED), "--fixed-result"),
    *("--calls-per-second", "0"),
)


async def calls_per_job(*, webhooks: bool, jobs: int = 20) -> float:
    """Calls that the sandbox counts for a completed job of 20 s, with every webhook or with none."""
    async with running(_SANDBOX, 1, **_QUOTA) as rig:
        if not webhooks:
            await rig.stack.vendor.fault("webhook_lost", -1)
        job_ids = await rig.dispatch("acme", jobs)
        await rig.all_ended(job_ids, 120)
        return await rig.calls() / jobs


async def hour(vendor_s: float = 3600) -> dict[str, Any]:
    """Saturation with three replicas that share a key; tasks created in each window of the vendor's clock."""
    jobs = round(vendor_s / WINDOW_S * 130)
    async with running(_SANDBOX, REPLICAS, **_QUOTA) as rig:
        await rig.dispatch("acme", jobs)
        last = round(vendor_s / SPEED * 1.3) + 30
        await rig.until("SELECT count(*) >= $1 FROM renders WHERE asked_at IS NOT NULL", last, round(jobs * 120 / 130))
        created = sorted(task["createdAt"] for task in await rig.stack.vendor.tasks())
        windows = Counter(int((at - created[0]) // WINDOW_S) for at in created)
        full = [windows[index] for index in range(max(windows))]
        stats = await rig.stats()
    return {
        "jobsPer300s": median(full),
        "jobsIn300sByWindow": full,
        "http429": stats["http429"],
        "replicas": REPLICAS,
        "vendorSeconds": round(created[-1] - created[0]),
    }


async def flood(tenants: int = 9, each: int = 10, flood: int = 1000) -> dict[str, Any]:
    """One tenant floods the room, the others want a few pictures each; then somebody stands at a kiosk."""
    async with running(_SANDBOX, REPLICAS, **_QUOTA) as rig:
        await rig.dispatch("flood", flood)
        await rig.until("SELECT count(*) >= $1 FROM renders", 60, flood)
        others = [job for n in range(tenants) for job in await rig.dispatch(f"tenant-{n}", each)]
        begun = await rig.database.fetchval("SELECT clock_timestamp()")
        await rig.all_ended(others, 300)
        rows = await rig.database.fetch("SELECT job_id, tenant_id, asked_at FROM renders WHERE asked_at >= $1", begun)
        done_at = max(row["asked_at"] for row in rows if row["tenant_id"] != "flood")
        contended = [row for row in rows if row["asked_at"] <= done_at]
        kiosk = await rig.dispatch("kiosk", 1, Priority.KIOSK_LIVE)
        await rig.until("SELECT asked_at IS NOT NULL FROM renders WHERE job_id = $1", 60, kiosk[0])
        overtaken = await rig.database.fetchval(
            """
            SELECT count(*) FROM renders k JOIN renders r ON r.asked_at BETWEEN k.created_at AND k.asked_at
            WHERE k.job_id = $1
            """,
            kiosk[0],
        )
    shares = Counter(row["tenant_id"] for row in contended)
    seconds = (done_at - begun).total_seconds() * SPEED
    fair_s = (tenants + 1) * each / (250 / WINDOW_S / 2)
    return {
        "jain": round(_jain([shares[f"tenant-{n}"] for n in range(tenants)] + [shares["flood"]]), 4),
        "ninesVendorSeconds": round(seconds, 1),
        "ninesOverFairShare": round(seconds / fair_s, 3),
        "kioskSlots": overtaken,
    }


def _jain(shares: list[int]) -> float:
    """Jain's index: 1 if all are the same (Jain, Chiu and Hawe 1984)."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))
