"""`python -m job_orchestrator`."""

import sys

from closet_chassis.lifecycle import run
from closet_contracts.nouns import Service

from job_orchestrator.app import build
from job_orchestrator.settings import Settings

if __name__ == "__main__":
    sys.exit(run(Service.JOB_ORCHESTRATOR, Settings, build))
