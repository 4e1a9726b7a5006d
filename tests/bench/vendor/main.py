"""`make vendor-report`: what orders cost at the vendor, and what is left of them after crashes."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from tests.bench.vendor.crashes import crashes
from tests.bench.vendor.figures import calls_per_job, flood, hour

REPORT = Path("build/vendor/report.json")
CRASHES = 50


async def report(each: int) -> dict[str, Any]:
    """Every figure is counted by the sandbox, or read from the adapter's database."""
    _tell("calls per job, with webhooks and without")
    found: dict[str, Any] = {
        "callsPerJob": await calls_per_job(webhooks=True),
        "callsPerJobWebhooksLost": await calls_per_job(webhooks=False),
    }
    _tell("an hour of the vendor's clock at saturation, three replicas")
    found |= await hour()
    _tell("one tenant floods the queue")
    found |= await flood()
    _tell(f"{each} crashes at every step")
    return found | await crashes(each)


def _tell(text: str) -> None:
    print(f"  {text}", flush=True)  # noqa: T201 a person waits for minutes


def _main() -> None:
    parser = argparse.ArgumentParser(description="See tests/bench/vendor/README.md.")
    parser.add_argument("--crashes", type=int, default=CRASHES, help="at every step")
    arguments = parser.parse_args()
    found = asyncio.run(report(arguments.crashes))
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))  # noqa: T201 what it is for


if __name__ == "__main__":
    _main()
