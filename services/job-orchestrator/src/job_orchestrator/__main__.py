"""`python -m job_orchestrator` runs the service; `... recover` brings a restored database up to the bus."""

import sys

from closet_chassis.lifecycle import run
from closet_contracts.ownership import Service

from job_orchestrator import recovery
from job_orchestrator.app import build
from job_orchestrator.settings import Settings

if __name__ == "__main__":
    if sys.argv[1:2] == ["recover"]:
        sys.exit(recovery.main(sys.argv[2:]))
    sys.exit(run(Service.JOB_ORCHESTRATOR, Settings, build))
