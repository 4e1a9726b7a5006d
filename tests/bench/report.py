"""What is written and told. README.md defines every figure."""

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from closet_contracts.ownership import Service

from tests.bench.driver import GENERATOR, Observed
from tests.bench.plan import Workload
from tests.bench.stats import p50_p99
from tests.bench.usage import Cpu

FLOORS: tuple[tuple[str, str, float], ...] = (
    ("flow.jobsPerSecond", ">=", 100),
    ("flow.postMs.p50", "<", 10),
    ("flow.addedMs.p50", "<", 100),
    ("flow.residentMb.largest", "<", 120),
    ("full.residentMb.largest", "<", 120),
    ("idle.servicesPercentOfACore", "<", 5),
    ("signing.urlsPerSecond", ">=", 50_000),
)
"""Each with the least or the most it may be, on two cores that have nothing else to do."""


def machine() -> dict[str, object]:
    """Where and when."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "loadBefore": round(os.getloadavg()[0], 1),
    }


def idle(before: Cpu, after: Cpu) -> dict[str, object]:
    """Percent of one core, by service and by server."""
    seconds = after.at - before.at
    used = {name: round(100 * cpu / seconds, 2) for name, cpu in after.since(before).items()}
    services = {name: used.get(name, 0.0) for name in Service}
    return {
        "seconds": round(seconds, 1),
        "servicesPercentOfACore": round(sum(services.values()), 2),
        "percentOfACore": used,
        "coresUsedByOthers": round(after.others_since(before), 2),
    }


def workload(what: Workload, paced: Observed, saturated: Observed, vendor_ms: Mapping[str, float]) -> dict[str, object]:
    """One workload's part of the report."""
    jobs = [seen for seen in paced.result.jobs if seen.visible_ms is not None and seen.job_id in vendor_ms]
    resident = {
        service.value: round(max(paced.memory[service].service, saturated.memory[service].service), 1)
        for service in Service
    }
    pictures = {
        service.value: round(max(paced.memory[service].picture_workers, saturated.memory[service].picture_workers), 1)
        for service in Service
    }
    return {
        "jobsPerSecond": round(saturated.completed / saturated.seconds, 1),
        "pacedJobsPerSecond": what.rate,
        "postMs": p50_p99([seen.post_ms for seen in paced.result.jobs]),
        "addedMs": p50_p99([(seen.visible_ms or 0) - vendor_ms[seen.job_id] for seen in jobs]),
        "vendorMs": p50_p99([vendor_ms[seen.job_id] for seen in jobs]),
        "cpuSecondsPer1000Jobs": {"saturated": _cpu(saturated), "paced": _cpu(paced)},
        "residentMb": {
            "largest": max(resident.values()),
            "services": resident,
            "pictureWorkers": {name: size for name, size in pictures.items() if size},
        },
        "phases": {"saturated": _phase(saturated), "paced": _phase(paced)},
    }


def _cpu(observed: Observed) -> dict[str, object]:
    used = observed.end.since(observed.begin)
    each = {name: round(1000 * cpu / max(observed.completed, 1), 2) for name, cpu in used.items()}
    services = {name: each.get(name, 0.0) for name in Service}
    generator = each.pop(GENERATOR, 0.0)
    return {
        "services": round(sum(services.values()), 2),
        "all": round(sum(each.values()), 2),
        "byName": each,
        GENERATOR: generator,
    }


def _phase(observed: Observed) -> dict[str, object]:
    result = observed.result
    return {
        "seconds": round(observed.seconds, 1),
        "completed": observed.completed,
        "refused": result.refused,
        "endedOtherwise": result.ended_otherwise,
        "unfinished": result.unfinished,
        "generatorLateMsP99": round(result.late_ms_p99, 2),
        "coresUsedByOthers": round(observed.end.others_since(observed.begin), 2),
    }


def told(found: Mapping[str, Any]) -> str:
    """The report for a person: what is promised, and what it takes."""
    lines = ["", f"{'':34}{'is':>12}{'should be':>14}"]
    for path, relation, bound in FLOORS:
        value = _at(found, path.split("."))
        if value is not None:
            met = value >= bound if relation == ">=" else value < bound
            lines.append(f"{path:34}{value:>12,.10g}{relation:>6}{bound:>8,.10g}  {'' if met else 'MISSED'}")
    for name in ("flow", "full"):
        if name in found:
            lines += ["", *_told(name, found[name])]
    if "limits" in found:
        lines += ["", f"this machine: {found['limits']}"]
    return "\n".join(lines)


def _told(name: str, part: Mapping[str, Any]) -> list[str]:
    cpu = part["cpuSecondsPer1000Jobs"]
    lines = [
        f"{name}: {part['jobsPerSecond']} jobs/s; at {part['pacedJobsPerSecond']} jobs/s post {part['postMs']} ms, "
        f"added {part['addedMs']} ms, vendor {part['vendorMs']} ms",
        f"  {'CPU s per 1000 jobs':24}{'saturated':>10}{'paced':>10}{'MB':>8}",
    ]
    names = [*cpu["saturated"]["byName"], "services", "all", GENERATOR]
    for each in names:
        figures = [str(_cpu_of(cpu[phase], each)) for phase in ("saturated", "paced")]
        lines.append(f"  {each:24}{figures[0]:>10}{figures[1]:>10}{part['residentMb']['services'].get(each, ''):>8}")
    lines += [f"  {phase}: {told}" for phase, told in part["phases"].items()]
    return lines


def _cpu_of(cpu: Mapping[str, Any], name: str) -> float:
    return float(cpu["byName"].get(name, cpu.get(name, 0.0)))


def _at(found: Any, path: Sequence[str]) -> float | None:
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return float(found) if found is not None else None
