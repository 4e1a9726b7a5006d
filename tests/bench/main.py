"""Starts the stack, measures, writes `build/bench/report.json`, and tells a person."""

import argparse
import asyncio
import json
import os
from pathlib import Path

import asyncpg
from closet_client import ApiKey, ClosetClient
from closet_contracts.catalog import OPERATOR
from closet_contracts.ownership import Service
from closet_devstack import samples
from closet_devstack.servers.base import Server
from closet_devstack.stack import Stack, StackOptions
from closet_devstack.tenants import Tenant, make_tenant

from tests.bench import limits, report
from tests.bench.driver import Observed, observe
from tests.bench.plan import FLOW, FULL, Phase, Plan, Workload
from tests.bench.usage import Meter

REPORT = Path("build/bench/report.json")
CREDITS = 10_000_000
USER = "bench-1"
SETTLE_S = 10.0
IDLE_S = 20.0
_SANDBOX = ("--latency-ms", "0", "--quota-calls", "0", "--calls-per-second", "0", "--units", "100000000")
# Many orders at once, as befits a vendor without a quota: with one at a time its answer decides the speed.
_ENVIRONMENT = {"PERFECT_QUOTA_CALLS": "0", "PERFECT_PACE_PER_S": "0", "PERFECT_ORDERS_AT_ONCE": "64"}
_PHASES: tuple[Phase, ...] = ("paced", "saturated")


async def bench(workloads: list[Workload], *, everything: bool) -> dict[str, object]:
    """The report."""
    found: dict[str, object] = {}
    _tell("starting NATS, PostgreSQL, S3, the vendor's sandbox and the services")
    async with Stack(StackOptions(sandbox=_SANDBOX, environment=_ENVIRONMENT)) as stack:
        await stack.start_services()
        meter = Meter(_pids(stack))
        if everything:
            found["idle"] = await _idle(meter)
            _tell("the machine's own limits")
            found["limits"] = await limits.measure(stack)
            found["signing"] = {"urlsPerSecond": limits.signing()}
        tenant = await make_tenant(stack, "bench", CREDITS)
        inputs = await _prepared(stack, tenant)
        for workload in workloads:
            found[workload.name] = await _measured(stack, meter, workload, tenant, inputs)
    return found


def _pids(stack: Stack) -> dict[str, int]:
    """Of every part that is a process of ours."""
    servers = {"nats": stack.nats, "postgres": stack.postgres, "s3": stack.s3, "sandbox": stack.perfect}
    parts = {**{service.value: stack.replica(service) for service in Service}, **servers}
    return {name: part.pid for name, part in parts.items() if isinstance(part, Server)}


async def _idle(meter: Meter) -> dict[str, object]:
    _tell(f"idle for {IDLE_S:g} s, after {SETTLE_S:g} s to settle")
    await asyncio.sleep(SETTLE_S)
    before = meter.cpu()
    await asyncio.sleep(IDLE_S)
    return report.idle(before, meter.cpu())


async def _prepared(stack: Stack, tenant: Tenant) -> tuple[str, str]:
    """The person consents; the inputs that the workload `flow` uses for every job."""
    async with ClosetClient(stack.url("kiosk-gateway"), ApiKey(tenant.api_key, USER)) as client:
        await client.give_consent()
        person = await client.upload(samples.person_jpeg(), content_type="image/jpeg")
        garment = await client.upload(samples.garment_png(), content_type="image/png")
    return person.key, garment.key


async def _measured(
    stack: Stack, meter: Meter, workload: Workload, tenant: Tenant, inputs: tuple[str, str]
) -> dict[str, object]:
    await stack.vendor.change(fixed_result=workload.fixed_result)
    observed: dict[Phase, Observed] = {}
    for phase in _PHASES:
        seconds = workload.paced_s if phase == "paced" else workload.saturated_s
        _tell(f"{workload.name}, {phase}: {seconds:g} s")
        plan = Plan(
            phase=phase,
            gateway=stack.url("kiosk-gateway"),
            api_key=tenant.api_key,
            user=USER,
            nats=stack.nats.url(OPERATOR),
            inputs=None if workload.fresh_inputs else inputs,
            rate=workload.rate,
            outstanding=workload.outstanding,
            warm_up_s=workload.warm_up_s,
            seconds=seconds,
        )
        observed[phase] = await observe(stack, meter, plan)
    vendor_ms = await _vendor_ms(stack, [seen.job_id for seen in observed["paced"].result.jobs])
    return report.workload(workload, observed["paced"], observed["saturated"], vendor_ms)


async def _vendor_ms(stack: Stack, job_ids: list[str]) -> dict[str, float]:
    """How long the vendor had each job's task, by the vendor's own clock."""
    tasks = {task["taskId"]: task for task in await stack.vendor.tasks()}
    database = await asyncpg.connect(stack.postgres.url("perfect_adapter"))
    try:
        rows = await database.fetch("SELECT job_id, task_id FROM renders WHERE job_id = ANY($1)", job_ids)
    finally:
        await database.close()
    return {
        row["job_id"]: (task["endedAt"] - task["createdAt"]) * 1000
        for row in rows
        if (task := tasks.get(row["task_id"])) and task["endedAt"]
    }


def _tell(text: str) -> None:
    print(f"  {text}", flush=True)  # noqa: T201 a person waits for minutes


def _main() -> None:
    parser = argparse.ArgumentParser(description="Measure the product on this machine; see tests/bench/README.md.")
    parser.add_argument("--only", choices=[FLOW.name, FULL.name], help="one workload, without idle time and limits")
    parser.add_argument("--report", type=Path, default=REPORT)
    arguments = parser.parse_args()
    workloads = [each for each in (FLOW, FULL) if arguments.only in {None, each.name}]
    os.environ.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
    found = {**report.machine(), **asyncio.run(bench(workloads, everything=arguments.only is None))}
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    arguments.report.write_text(json.dumps(found, indent=2) + "\n")
    print(report.told(found))  # noqa: T201 what it is for
    print(f"\n{arguments.report}")  # noqa: T201 see above


if __name__ == "__main__":
    _main()
